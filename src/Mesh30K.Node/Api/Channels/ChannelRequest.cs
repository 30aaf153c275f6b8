using System.Text.Json;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Api.Operations;

namespace Mesh30K.Node.Api.Channels;

/// <summary>A command as it travels: the verb of the path and the body. Reads and writes the same JSON (docs/protocol/http-api.md).</summary>
/// <param name="Command">What to do.</param>
/// <param name="Wait">How long a claim may wait until something is ready.</param>
/// <param name="Writer">With a push: the writer that the channel is to have; null for whichever it has.</param>
public sealed record ChannelRequest(ChannelCommand Command, TimeSpan Wait = default, ReplicaId? Writer = null)
{
    /// <summary>Entries of one push.</summary>
    public const int EntriesMax = 10_000;

    /// <summary>The longest wait of a claim.</summary>
    public static readonly TimeSpan WaitMost = TimeSpan.FromSeconds(60);

    /// <summary>How long an entry is held when a request does not say.</summary>
    public static readonly TimeSpan LeaseDefault = TimeSpan.FromMinutes(5);

    /// <summary>The words after <c>/v1/channels/{name}/</c>.</summary>
    public static IReadOnlyList<string> Verbs { get; } = ["push", "claim", "renew", "checkpoint", "complete", "fail", "release", "cancel", "reopen"];

    private static readonly string[] PushFields = ["text", "depends_on", "agent", "key", "attempts", "id", "clock", "ended", "result"];

    /// <summary>What could be read; null when something is wrong, which is on the list then.</summary>
    internal static ChannelRequest? Read(string verb, JsonElement body, List<FieldProblem> errors)
    {
        if (JsonFields.Of(body, "", errors, FieldsOf(verb)) is not { } fields) return null;
        TimeSpan lease = Ms(fields, "lease_ms", TimeSpan.FromDays(30)) ?? LeaseDefault;
        TimeSpan wait = verb == "claim" ? Ms(fields, "wait_ms", WaitMost) ?? TimeSpan.Zero : TimeSpan.Zero;
        ReplicaId? writer = verb == "push" ? WriterOf(fields) : null;
        ChannelCommand? command = verb switch
        {
            "push" => Push(fields),
            "claim" => Needed(fields, "agent") is { } agent ? new ChannelCommand.Claim(agent, lease, fields.Integer("limit") ?? 1) : null,
            "cancel" => Id(fields) is { } id ? new ChannelCommand.Cancel(id, fields.Text("reason") ?? "cancelled", fields.Flag("dependents") ?? false) : null,
            "reopen" => Id(fields) is { } id ? new ChannelCommand.Reopen(id) : null,
            _ => Held(verb, fields, lease),
        };
        return errors.Count == 0 && command is not null ? new ChannelRequest(command, wait, writer) : null;
    }

    /// <summary>The request of a command.</summary>
    public (string Verb, byte[] Json) ToJson()
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            string verb = Write(json);
            if (Wait > TimeSpan.Zero) json.WriteNumber("wait_ms", (long)Wait.TotalMilliseconds);
            if (Writer is { } writer) json.WriteString("writer", writer.ToString());
            json.WriteEndObject();
            json.Flush();
            return (verb, bytes.ToArray());
        }
    }

    private static string[] FieldsOf(string verb) => verb switch
    {
        "push" => ["entries", "writer"],
        "claim" => ["agent", "lease_ms", "limit", "wait_ms"],
        "renew" => ["id", "token", "lease_ms"],
        "checkpoint" => ["id", "token", "data", "lease_ms"],
        "complete" => ["id", "token", "result", "claim_next", "agent", "lease_ms"],
        "fail" => ["id", "token", "reason", "retry_after_ms"],
        "release" => ["id", "token"],
        "cancel" => ["id", "reason", "dependents"],
        _ => ["id"],
    };

    private static ChannelCommand? Held(string verb, JsonFields fields, TimeSpan lease)
    {
        Dot? named = Id(fields);
        if (fields.Long("token") is not { } token)
        {
            fields.Add("token", null, "is needed: the token of the claim, a whole number");
            return null;
        }
        if (named is not { } id) return null;
        return verb switch
        {
            "renew" => new ChannelCommand.Renew(id, token, lease),
            "checkpoint" => Needed(fields, "data") is { } data ? new ChannelCommand.Checkpoint(id, token, data, lease) : null,
            "complete" when fields.Flag("claim_next") is true =>
                Needed(fields, "agent") is { } agent ? new ChannelCommand.CompleteAndClaim(id, token, fields.Text("result"), agent, lease) : null,
            "complete" => new ChannelCommand.Complete(id, token, fields.Text("result")),
            "fail" => Needed(fields, "reason") is { } reason ? new ChannelCommand.Fail(id, token, reason, Ms(fields, "retry_after_ms", TimeSpan.FromDays(30))) : null,
            _ => new ChannelCommand.Release(id, token),
        };
    }

    private static ChannelCommand.PushAll? Push(JsonFields fields)
    {
        if (fields.Objects("entries", EntriesMax, PushFields) is not { Count: > 0 } entries)
        {
            if (fields.Errors.Count == 0) fields.Add("entries", null, "is needed: a list of at least one entry");
            return null;
        }
        return new ChannelCommand.PushAll([.. entries.Select((entry, i) => Entry(entry, i, entries.Count))]);
    }

    private static ChannelCommand.Push Entry(JsonFields fields, int index, int count)
    {
        List<Dot> dependsOn = [];
        foreach (string on in fields.Texts("depends_on") ?? [])
        {
            if (on.StartsWith('#') && int.TryParse(on.AsSpan(1), out int other) && other >= 0 && other < count && other != index) dependsOn.Add(ChannelCommand.PushAll.Entry(other));
            else if (Dot.TryParse(on, out Dot dot)) dependsOn.Add(dot);
            else fields.Add("depends_on", on, $"must hold ids such as 142 or 142@ana, or #0 to #{count - 1} for another entry of this request");
        }
        VectorClock? clock = null;
        if (fields.Text("clock") is { } seen && !VectorClock.TryParse(seen, out clock)) fields.Add("clock", seen, "must be ids of ascending writers, each once, with commas");
        EntryStatus? ended = fields.Text("ended") switch
        {
            null => null,
            "done" => EntryStatus.Done,
            "failed" => EntryStatus.Failed,
            "cancelled" => EntryStatus.Cancelled,
            string other => Wrong(fields, "ended", other, "must be done, failed or cancelled"),
        };
        Dot? id = fields.Text("id") is null ? null : Id(fields);
        return new ChannelCommand.Push(Needed(fields, "text") ?? "", dependsOn, fields.Text("agent"), fields.Text("key"), id, fields.Integer("attempts") ?? 3, clock, ended, fields.Text("result"));
    }

    private static EntryStatus? Wrong(JsonFields fields, string name, string value, string message)
    {
        fields.Add(name, value, message);
        return null;
    }

    private static ReplicaId? WriterOf(JsonFields fields)
    {
        if (fields.Text("writer") is not { } name) return null;
        if (ReplicaId.TryParse(name, out ReplicaId writer)) return writer;
        fields.Add("writer", name, $"must be 1 to {ReplicaId.CharsMax} characters of A-Z a-z 0-9 . _ -");
        return null;
    }

    private static Dot? Id(JsonFields fields)
    {
        string? text = Needed(fields, "id");
        if (text is null) return null;
        if (Dot.TryParse(text, out Dot id)) return id;
        fields.Add("id", text, "must be an id such as 142 or 142@ana");
        return null;
    }

    private static string? Needed(JsonFields fields, string name)
    {
        int before = fields.Errors.Count;
        string? text = fields.Text(name);
        if (text is null && fields.Errors.Count == before) fields.Add(name, null, "is needed: a text");
        return text;
    }

    private static TimeSpan? Ms(JsonFields fields, string name, TimeSpan most)
    {
        if (fields.Number(name) is not { } ms) return null;
        if (ms >= 0 && ms <= most.TotalMilliseconds) return TimeSpan.FromMilliseconds(ms);
        fields.Add(name, FormattableString.Invariant($"{ms}"), FormattableString.Invariant($"must be 0 to {most.TotalMilliseconds}"));
        return null;
    }

    private string Write(Utf8JsonWriter json)
    {
        switch (Command)
        {
            case ChannelCommand.Push push:
                WriteEntries(json, [push]);
                return "push";
            case ChannelCommand.PushAll batch:
                WriteEntries(json, batch.Entries);
                return "push";
            case ChannelCommand.Claim claim:
                json.WriteString("agent", claim.Agent);
                WriteMs(json, "lease_ms", claim.Lease);
                json.WriteNumber("limit", claim.Limit);
                return "claim";
            case ChannelCommand.Renew renew:
                WriteHeld(json, renew.Id, renew.Token);
                WriteMs(json, "lease_ms", renew.Lease);
                return "renew";
            case ChannelCommand.Checkpoint checkpoint:
                WriteHeld(json, checkpoint.Id, checkpoint.Token);
                json.WriteString("data", checkpoint.Data);
                WriteMs(json, "lease_ms", checkpoint.Lease);
                return "checkpoint";
            case ChannelCommand.Complete complete:
                WriteHeld(json, complete.Id, complete.Token);
                if (complete.Result is not null) json.WriteString("result", complete.Result);
                return "complete";
            case ChannelCommand.Fail fail:
                WriteHeld(json, fail.Id, fail.Token);
                json.WriteString("reason", fail.Reason);
                if (fail.RetryAfter is { } after) WriteMs(json, "retry_after_ms", after);
                return "fail";
            case ChannelCommand.Release release:
                WriteHeld(json, release.Id, release.Token);
                return "release";
            case ChannelCommand.Cancel cancel:
                json.WriteString("id", cancel.Id.ToString());
                json.WriteString("reason", cancel.Reason);
                json.WriteBoolean("dependents", cancel.Dependents);
                return "cancel";
            case ChannelCommand.Reopen reopen:
                json.WriteString("id", reopen.Id.ToString());
                return "reopen";
            default:
                throw new InvalidOperationException($"no request for {Command.GetType().Name}");
        }
    }

    private static void WriteEntries(Utf8JsonWriter json, IReadOnlyList<ChannelCommand.Push> entries)
    {
        json.WriteStartArray("entries");
        foreach (ChannelCommand.Push push in entries)
        {
            json.WriteStartObject();
            json.WriteString("text", push.Text);
            json.WriteStartArray("depends_on");
            foreach (Dot on in push.DependsOn) json.WriteStringValue(on.Number < 0 ? FormattableString.Invariant($"#{-1 - on.Number}") : on.ToString());
            json.WriteEndArray();
            if (push.Agent is not null) json.WriteString("agent", push.Agent);
            if (push.Key is not null) json.WriteString("key", push.Key);
            if (push.Id is { } id) json.WriteString("id", id.ToString());
            if (push.Clock is not null) json.WriteString("clock", push.Clock.ToString());
            if (push.Ended is { } ended) json.WriteString("ended", ChannelViews.NameOf(ended));
            if (push.Result is not null) json.WriteString("result", push.Result);
            json.WriteNumber("attempts", push.AttemptsMax);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteHeld(Utf8JsonWriter json, Dot id, long token)
    {
        json.WriteString("id", id.ToString());
        json.WriteNumber("token", token);
    }

    private static void WriteMs(Utf8JsonWriter json, string name, TimeSpan span) => json.WriteNumber(name, span.TotalMilliseconds);
}
