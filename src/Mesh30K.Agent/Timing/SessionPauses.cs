using Mesh30K.Protocol.Timing;

namespace Mesh30K.Agent.Timing;

/// <summary>
/// Pauses between a session that ended and the next attempt. Spread over the whole ceiling, so that agents which lost the same node do not come back in step. The mesh's own wish counts as the least. Pure: randomness comes in.
/// Not thread-safe.
/// </summary>
internal sealed class SessionPauses(Random random)
{
    internal static readonly TimeSpan First = TimeSpan.FromMilliseconds(200);
    internal static readonly TimeSpan Most = TimeSpan.FromSeconds(30);

    /// <summary>What all agents of a node have in common when they try again.</summary>
    internal static readonly Backoff Backoff = new(First, Most, steady: 0);

    /// <summary>What the mesh may ask for at most: a wrong number must not switch an agent off.</summary>
    internal static readonly TimeSpan AskedMost = TimeSpan.FromMinutes(5);

    private int _failures;

    /// <summary>The pause after one more failure.</summary>
    /// <param name="asked">What the mesh asked for, if it did; up to a quarter is added, as many may have been told the same.</param>
    internal TimeSpan Next(TimeSpan? asked = null)
    {
        TimeSpan pause = Backoff.Pause(_failures, random);
        if (_failures < int.MaxValue) _failures++;
        if (asked is not { } wish) return pause;
        if (wish > AskedMost) wish = AskedMost;
        if (wish < TimeSpan.Zero) wish = TimeSpan.Zero;
        TimeSpan later = wish + (wish * (random.NextDouble() / 4));
        return later > pause ? later : pause;
    }

    /// <summary>It went well: the next pause is a short one.</summary>
    internal void Reset() => _failures = 0;
}
