namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>
/// How long a group is without a leader after its leader's death: from the kill to the return of the first write that was called after it. Such a write was taken by
/// another leader, since the dead one takes nothing. Thread-safe; times in nanoseconds on one clock.
/// </summary>
internal sealed class FailoverMeter
{
    private readonly Lock _gate = new();
    private readonly List<double> _ms = [];
    private long _diedNs = -1;

    /// <summary>Each failover that was measured to its end, in milliseconds.</summary>
    public IReadOnlyList<double> Ms
    {
        get
        {
            lock (_gate) return [.. _ms];
        }
    }

    /// <summary>The leader is dead since this moment.</summary>
    public void Died(long nowNs)
    {
        lock (_gate) _diedNs = nowNs;
    }

    /// <summary>Another fault begins before a write came through: this death says nothing of failover alone. Returns whether there was one.</summary>
    public bool Spoil()
    {
        lock (_gate)
        {
            bool was = _diedNs >= 0;
            _diedNs = -1;
            return was;
        }
    }

    /// <summary>A write was acknowledged.</summary>
    public void Wrote(long callNs, long returnNs)
    {
        lock (_gate)
        {
            if (_diedNs < 0 || callNs <= _diedNs) return;
            _ms.Add((returnNs - _diedNs) / 1e6);
            _diedNs = -1;
        }
    }

    /// <summary>The middle of the values, the lower of two; null of none.</summary>
    public static double? Median(IReadOnlyList<double> values) => values.Count == 0 ? null : values.Order().ElementAt((values.Count - 1) / 2);
}
