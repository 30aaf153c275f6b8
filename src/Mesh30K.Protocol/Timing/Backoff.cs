namespace Mesh30K.Protocol.Timing;

/// <summary>
/// Pauses before what failed is tried again: a ceiling that doubles from a first to a most, and of it a random part, so that those who failed together do not come back in step
/// (M. Brooker, "Exponential Backoff And Jitter", 2015). Immutable and pure: the caller counts its failures and brings the randomness. Thread-safe with a <see cref="Random"/> that is, such as <see cref="Random.Shared"/>.
/// </summary>
public readonly record struct Backoff
{
    private readonly TimeSpan _first;
    private readonly TimeSpan _most;
    private readonly double _steady;

    /// <summary>Throws <see cref="ArgumentOutOfRangeException"/> for a time that is not above 0, and a share outside 0 to 1.</summary>
    /// <param name="first">The ceiling after the first failure.</param>
    /// <param name="most">No ceiling is higher, the first neither.</param>
    /// <param name="steady">The share of the ceiling that every pause has; the rest is random. 0 spreads the most, for a fleet that lost one node; 1 is without randomness. Default half.</param>
    public Backoff(TimeSpan first, TimeSpan most, double steady = 0.5)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(first, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(most, TimeSpan.Zero);
        if (steady is not (>= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(steady), steady, "a share is from 0 to 1");
        (_first, _most, _steady) = (first, most, steady);
    }

    /// <summary>The longest pause there can be now.</summary>
    /// <param name="failures">How many there were before the last one; from 0.</param>
    public TimeSpan Ceiling(int failures)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(failures);
        double ticks = _first.Ticks * Math.Pow(2, failures); // too many failures are infinity, and then the most
        return ticks < _most.Ticks ? new TimeSpan((long)ticks) : _most;
    }

    /// <summary>The next pause: above 0, and at most the <see cref="Ceiling"/>.</summary>
    /// <param name="failures">How many there were before the last one; from 0.</param>
    public TimeSpan Pause(int failures, Random random) => PartOf(Ceiling(failures), random, _steady);

    /// <summary>A pause whose ceiling somebody else decided on, with its random part taken off: above 0, and at most the ceiling.</summary>
    /// <param name="steady">The share of the ceiling that is sure, from 0 to 1.</param>
    public static TimeSpan PartOf(TimeSpan ceiling, Random random, double steady = 0.5)
    {
        ArgumentNullException.ThrowIfNull(random);
        double share = steady + ((1 - steady) * (1 - random.NextDouble())); // above 0: the random part is never none
        return new TimeSpan(Math.Max(1, (long)(ceiling.Ticks * share)));
    }
}
