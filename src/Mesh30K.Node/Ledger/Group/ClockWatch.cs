using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ledger.Group;

/// <summary>
/// What a server knows of its peers' wall clocks, from the moments that they put on what they send. A moment on its way grows old and never young, so the largest difference of a while is the
/// nearest to the truth. They are held against the own monotonic clock, so that a jump of the own wall clock shows at once. Pure; used in the host's rounds.
/// </summary>
internal sealed class ClockWatch(TimeSpan offMax)
{
    /// <summary>A difference is forgotten after this time, so that a clock that was set right counts again.</summary>
    internal static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly Dictionary<ServerId, (TimeSpan Ahead, Instant At, TimeSpan Before, Instant BeforeAt)> _peers = [];

    /// <summary>A peer said what its clock shows.</summary>
    /// <param name="now">When it came, by the own monotonic clock.</param>
    internal void Hear(ServerId peer, Instant theirs, Instant now)
    {
        TimeSpan ahead = theirs - now;
        if (!_peers.TryGetValue(peer, out var known)) known = (ahead, now, ahead, now);
        // Two halves of the window, each with its largest: the older goes when the newer has filled its half.
        if (now - known.At > Window / 2) known = (ahead, now, known.Ahead, known.At);
        else if (ahead > known.Ahead) known = (ahead, known.At, known.Before, known.BeforeAt);
        _peers[peer] = known;
    }

    /// <summary>How far the own clock is ahead of the median of all that are known, the own among them; null when none is.</summary>
    internal TimeSpan? Ahead(Instant now, Instant wall)
    {
        List<TimeSpan> known = Known(now, wall);
        if (known.Count == 0) return null;
        known.Add(TimeSpan.Zero);
        known.Sort();
        // Of an even number the one nearer to the own.
        TimeSpan low = known[(known.Count - 1) / 2], high = known[known.Count / 2];
        return -(low.Duration() < high.Duration() ? low : high);
    }

    /// <summary>
    /// Whether the own clock may give log time: no more than the bound away from a majority of the clocks that are known, the own among them. Of two that differ neither may, since nobody can
    /// tell which of them is wrong.
    /// </summary>
    internal bool MayPropose(Instant now, Instant wall)
    {
        List<TimeSpan> known = Known(now, wall);
        int near = 1 + known.Count(d => d.Duration() <= offMax);
        return near > (known.Count + 1) / 2;
    }

    /// <summary>How far each is ahead of the own wall clock.</summary>
    private List<TimeSpan> Known(Instant now, Instant wall)
    {
        TimeSpan own = wall - now;
        List<TimeSpan> known = [];
        foreach ((TimeSpan ahead, Instant at, TimeSpan before, Instant beforeAt) in _peers.Values)
        {
            if (now - at > Window) continue;
            known.Add((now - beforeAt <= Window && before > ahead ? before : ahead) - own);
        }
        return known;
    }
}
