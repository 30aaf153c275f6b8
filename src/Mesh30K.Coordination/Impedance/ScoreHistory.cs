using System.Runtime.CompilerServices;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Impedance;

/// <summary>One point of an agent's history.</summary>
/// <param name="At">When, to the second.</param>
/// <param name="Score">The impedance score in ms, to 1/64 ms.</param>
public readonly record struct ScorePoint(Instant At, double Score);

/// <summary>
/// The last hour of one agent's score, a point a minute (M 8.1, "historical data for trend analysis"): a ring of 60 points, 6 bytes each,
/// 400 bytes in all.
/// </summary>
/// <remarks>
/// One owner writes; any thread reads. A reader takes a copy and takes it again when the owner wrote meanwhile (a sequence lock): the owner
/// never waits, and a reader sees whole points.
/// </remarks>
public sealed class ScoreHistory
{
    public const int Capacity = 60;

    /// <summary>Least distance of two points in ms.</summary>
    public const long IntervalMs = 60_000;

    private const int StepsPerMs = 64;

    private readonly long _baseSeconds;
    private int _version;
    private Ring _ring;

    /// <summary>An empty history of points from a moment on.</summary>
    public ScoreHistory(Instant start) => _baseSeconds = Seconds(start);

    /// <summary>Adds a point unless the last one is younger than a minute. Owner only. Whether it was added.</summary>
    public bool Record(double score, Instant now)
    {
        uint at = (uint)Math.Clamp(Seconds(now) - _baseSeconds, 0, uint.MaxValue);
        if (_ring.Count > 0 && at < _ring.Times[Slot(_ring.Next + Capacity - 1)] + (IntervalMs / 1000)) return false;

        Volatile.Write(ref _version, _version + 1);
        Interlocked.MemoryBarrier();
        _ring.Times[_ring.Next] = at;
        _ring.Scores[_ring.Next] = (ushort)Math.Round(Math.Clamp(score, 0, ImpedanceMath.ScoreMax) * StepsPerMs);
        _ring.Next = (byte)Slot(_ring.Next + 1);
        if (_ring.Count < Capacity) _ring.Count++;
        Volatile.Write(ref _version, _version + 1);
        return true;
    }

    /// <summary>Copies the points, oldest first, and returns how many. <paramref name="points"/> has room for <see cref="Capacity"/>. Any thread.</summary>
    public int CopyTo(Span<ScorePoint> points)
    {
        Ring ring = Snapshot();
        for (int i = 0; i < ring.Count; i++)
        {
            int slot = Slot(ring.Next + Capacity - ring.Count + i);
            Instant at = new((_baseSeconds + ring.Times[slot]) * TimeSpan.TicksPerSecond);
            points[i] = new ScorePoint(at, (double)ring.Scores[slot] / StepsPerMs);
        }
        return ring.Count;
    }

    /// <summary>
    /// How the score changes, in ms per hour: the median of the slopes between all pairs of points (Theil 1950, Sen 1968), which a
    /// quarter of wild points cannot move far. Null with fewer than three points. About 0.1 ms with 60 points. Any thread.
    /// </summary>
    public double? Trend()
    {
        Span<ScorePoint> points = stackalloc ScorePoint[Capacity];
        int count = CopyTo(points);
        if (count < 3) return null;

        double[] slopes = new double[count * (count - 1) / 2];
        int filled = 0;
        for (int i = 0; i < count; i++)
        {
            for (int j = i + 1; j < count; j++)
            {
                double hours = (points[j].At - points[i].At).TotalHours;
                slopes[filled++] = (points[j].Score - points[i].Score) / hours;
            }
        }
        return ImpedanceMath.QuantileInPlace(slopes, 0.5);
    }

    private Ring Snapshot()
    {
        while (true)
        {
            int before = Volatile.Read(ref _version);
            Ring copy = _ring;
            Interlocked.MemoryBarrier();
            if ((before & 1) == 0 && before == Volatile.Read(ref _version)) return copy;
        }
    }

    private static int Slot(int n) => n % Capacity;

    private static long Seconds(Instant at) => at.Ticks / TimeSpan.TicksPerSecond;

    private struct Ring
    {
        public Times Times;
        public Scores Scores;
        public byte Next;
        public byte Count;
    }

    [InlineArray(Capacity)]
    private struct Times
    {
        private uint _first;
    }

    [InlineArray(Capacity)]
    private struct Scores
    {
        private ushort _first;
    }
}
