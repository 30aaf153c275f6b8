using System.Text.Json;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Commands;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Api.Channels;
using Mesh30K.Node.Channels;

namespace Mesh30K.Cli.Queue;

/// <summary>A task channel as the verbs see it, on disk or behind a node. A refusal is a <see cref="CliException"/>. Not thread-safe.</summary>
internal interface IQueue : IDisposable
{
    /// <summary>Does a command. Only a claim may wait, and only a claim's outcome may be <c>empty</c>.</summary>
    Task<ReplyView> StepAsync(ChannelCommand command, TimeSpan wait, CancellationToken stop);

    Task<EntryPage> EntriesAsync(string? status, int limit, string? after, CancellationToken stop);

    Task<GraphView> GraphAsync(CancellationToken stop);

    /// <summary>What the channel has already.</summary>
    Task<KnownEntries> KnownAsync(CancellationToken stop);
}

/// <summary>What a channel has already.</summary>
/// <param name="IsKnown">Whether it has, or had, that entry. Behind a node the retired ones are not known.</param>
/// <param name="Existing">The entries that it has, as they are.</param>
internal sealed record KnownEntries(Func<Dot, bool> IsKnown, IReadOnlyDictionary<Dot, EntryView> Existing);

/// <summary>A channel in a data directory.</summary>
internal sealed class FolderQueue(ChannelFolder folder, FolderChannel channel) : IQueue
{
    public async Task<ReplyView> StepAsync(ChannelCommand command, TimeSpan wait, CancellationToken stop)
    {
        ChannelReply reply = command is ChannelCommand.Claim claim
            ? await channel.ClaimAsync(claim, wait, stop).ConfigureAwait(false)
            : channel.Step(command, stop);
        if (reply.Outcome is ChannelOutcome.Ok or ChannelOutcome.Empty) return ReplyView.Of(reply);
        ExitCode exit = reply.Outcome == ChannelOutcome.NotHeld ? ExitCode.NotAchieved : ExitCode.Usage;
        string hint = reply.Outcome switch
        {
            ChannelOutcome.NotHeld => "Look at it with `mesh queue list`; claim again with `mesh queue next` if it is yours to do.",
            ChannelOutcome.UnknownDependency or ChannelOutcome.NotFound => "`mesh queue list` shows the entries.",
            _ => "See `mesh queue --help`.",
        };
        throw new CliException(new CliError(exit, JsonNamingPolicy.SnakeCaseLower.ConvertName(reply.Outcome.ToString()), reply.Message, hint));
    }

    public Task<EntryPage> EntriesAsync(string? status, int limit, string? after, CancellationToken stop)
    {
        EntryStatus? only = status is null ? null : Enum.Parse<EntryStatus>(status, ignoreCase: true);
        Dot? from = after is null ? null : QueueVerb.IdOf("--after", after);
        return Task.FromResult(channel.Read(c => EntryPage.Of(folder.Name, folder.Writer, c, only, from, limit)));
    }

    public Task<GraphView> GraphAsync(CancellationToken stop) => Task.FromResult(channel.Read(c => GraphView.Of(folder.Name, c)));

    public Task<KnownEntries> KnownAsync(CancellationToken stop) =>
        Task.FromResult(channel.Read(c => new KnownEntries(id => c.StatusOf(id) is not null, c.Entries.ToDictionary(e => e.Id, EntryView.Of))));

    public void Dispose() => channel.Dispose();
}

/// <summary>A channel behind a node.</summary>
internal sealed class NodeQueue(string name, ReplicaId? writer, NodeClient client) : IQueue
{
    /// <summary>Longer waits are made of several requests, so that one that the node has forgotten does not hold the caller for ever.</summary>
    private static readonly TimeSpan WaitOfRequest = ChannelRequest.WaitMost / 2;

    private readonly string _path = $"/v1/channels/{Uri.EscapeDataString(name)}";

    public async Task<ReplyView> StepAsync(ChannelCommand command, TimeSpan wait, CancellationToken stop)
    {
        TimeSpan left = wait;
        while (true)
        {
            TimeSpan now = left < WaitOfRequest ? left : WaitOfRequest;
            bool pushes = command is ChannelCommand.Push or ChannelCommand.PushAll;
            (string verb, byte[] json) = new ChannelRequest(command, now, pushes ? writer : null).ToJson();
            NodeAnswer<ReplyView> answer =
                await client.PostAsync($"{_path}/{verb}", json, ChannelViews.Default.ReplyView, NodeClient.ReadWithin + now, stop).ConfigureAwait(false);
            left -= now;
            if (answer.Value.Outcome != "empty" || left <= TimeSpan.Zero) return answer.Value;
        }
    }

    public async Task<EntryPage> EntriesAsync(string? status, int limit, string? after, CancellationToken stop)
    {
        const int pageMax = 1_000;
        List<EntryView> entries = [];
        while (true)
        {
            string path = Query.Of($"{_path}/entries", ("status", status), ("limit", Math.Min(pageMax, limit - entries.Count)), ("after", after));
            EntryPage page = (await client.GetAsync(path, ChannelViews.Default.EntryPage, stop).ConfigureAwait(false)).Value;
            entries.AddRange(page.Entries);
            after = page.NextAfter;
            if (after is null || entries.Count >= limit) return page with { Entries = entries };
        }
    }

    public async Task<GraphView> GraphAsync(CancellationToken stop) =>
        (await client.GetAsync($"{_path}/graph", ChannelViews.Default.GraphView, stop).ConfigureAwait(false)).Value;

    public async Task<KnownEntries> KnownAsync(CancellationToken stop)
    {
        try
        {
            EntryPage all = await EntriesAsync(null, int.MaxValue, null, stop).ConfigureAwait(false);
            Dictionary<Dot, EntryView> known = all.Entries.ToDictionary(e => QueueDots.Parse(e.Id));
            return new KnownEntries(known.ContainsKey, known);
        }
        catch (CliException missing) when (missing.Error.Code == "no_channel")
        {
            return new KnownEntries(_ => false, new Dictionary<Dot, EntryView>());
        }
    }

    public void Dispose() => client.Dispose();
}
