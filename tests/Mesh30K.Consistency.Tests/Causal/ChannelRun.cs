using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Tests.Causal;

/// <summary>A channel with a clock that the test sets and a journal that it can look into. Each reply as a line: <c>Ok 1:Ready 2:Waiting</c>.</summary>
internal sealed class ChannelRun(ChannelOptions? options = null) : IChannelEffects
{
    private static readonly Instant Start = new(10_000_000_000);

    public Channel Channel { get; } = new(options);

    public List<(byte Kind, byte[] Record)> Journal { get; } = [];

    public int Seconds { get; set; }

    public ChannelReply Last { get; private set; } = new(ChannelOutcome.Empty, []);

    public static TimeSpan Minute => TimeSpan.FromMinutes(1);

    public void Persist(byte kind, ReadOnlySpan<byte> record) => Journal.Add((kind, record.ToArray()));

    public string Do(ChannelCommand command)
    {
        Last = Channel.Step(command, Start + TimeSpan.FromSeconds(Seconds), this);
        return string.Join(' ', [Last.Outcome.ToString(), .. Last.Entries.Select(e => $"{e.Id}:{e.Status}")]);
    }

    public string Push(string text, params string[] dependsOn) => Do(new ChannelCommand.Push(text, Ds(dependsOn)));

    public string Import(string id, params string[] dependsOn) => Do(new ChannelCommand.Push("import", Ds(dependsOn), Id: D(id)));

    public string Claim(string agent, int limit = 1) => Do(new ChannelCommand.Claim(agent, Minute, limit));

    public string Complete(string id, long token) => Do(new ChannelCommand.Complete(D(id), token, "ok"));

    public string Fail(string id, long token, int? retrySeconds = null) =>
        Do(new ChannelCommand.Fail(D(id), token, "broke", retrySeconds is { } s ? TimeSpan.FromSeconds(s) : null));

    public string Cancel(string id, bool dependents = false) => Do(new ChannelCommand.Cancel(D(id), "not needed", dependents));

    public string Reopen(string id) => Do(new ChannelCommand.Reopen(D(id)));

    public ChannelEntry Find(string id) => Channel.Find(D(id))!;

    public static Dot D(string id) => Dot.TryParse(id, out Dot dot) ? dot : throw new FormatException(id);

    public static Dot[] Ds(params string[] ids) => Array.ConvertAll(ids, D);

    public static string Bytes(Channel channel) => string.Join('\n', channel.Snapshot().Select(r => $"{r.Kind}:{Convert.ToHexString(r.Payload.Span)}"));

    /// <summary>A channel built from these records.</summary>
    public static Channel From(IEnumerable<(byte Kind, byte[] Record)> records)
    {
        Channel channel = new();
        foreach ((byte kind, byte[] record) in records) channel.Apply(kind, record);
        return channel;
    }
}
