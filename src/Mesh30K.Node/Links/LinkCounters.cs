using System.Collections.Concurrent;

namespace Mesh30K.Node.Links;

/// <summary>What the WebSocket link counted since it started. Any thread; each figure is whole, and may be newer than another.</summary>
internal sealed class LinkCounters
{
    private readonly ConcurrentDictionary<string, long> _refusals = new(StringComparer.Ordinal);

    public long FramesIn;
    public long MessagesIn;
    public long FramesOut;
    public long MessagesOut;
    public long Signatures;
    public long SessionsOpened;
    public long Replaced;
    public long Redelivered;
    public long UnknownAcks;
    public long LostAcks;
    public long Undeliverable;
    public long SlowClosed;

    /// <summary>What boxes counted that are gone.</summary>
    public long ExpiredBefore;
    public long EvictedBefore;

    /// <summary>Refusals by the wire's word: a small, fixed set of our own words.</summary>
    public IReadOnlyDictionary<string, long> Refusals => new SortedDictionary<string, long>(_refusals.ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal);

    public void Refused(string code) => _refusals.AddOrUpdate(code, 1, static (_, n) => n + 1);
}
