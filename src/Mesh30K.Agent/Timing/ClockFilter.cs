using Mesh30K.Protocol.Identity;

namespace Mesh30K.Agent.Timing;

/// <summary>
/// The difference between the mesh's clock and this machine's monotonic clock, from pairs of timestamps (RFC 5905, section 8): of the last samples the one with the shortest round trip counts, since a short one
/// leaves little room for delays that differ between the two ways. Old samples lose by the drift that they may have gathered. Pure; not thread-safe.
/// </summary>
internal sealed class ClockFilter
{
    private const int SamplesMax = 8;

    /// <summary>What two crystal clocks may part by in a second (RFC 5905: 15 ppm), in ticks of 100 ns a tick.</summary>
    private const double DriftPerTick = 15e-6;

    private readonly Queue<Sample> _samples = new(SamplesMax);

    /// <summary>Whether there is a sample at all.</summary>
    internal bool IsSet => _samples.Count > 0;

    /// <summary>Mesh time less local time, in ticks of 100 ns.</summary>
    internal long OffsetTicks { get; private set; }

    /// <summary>The round trip of the sample that counts, in ms.</summary>
    internal double RoundTripMs { get; private set; }

    /// <param name="sentTicks">When the request left, on the local monotonic clock in ticks of 100 ns.</param>
    /// <param name="meshReceived">When it came, on the mesh's clock.</param>
    /// <param name="meshSent">When the answer left, on the mesh's clock.</param>
    /// <param name="receivedTicks">When the answer came, on the local clock.</param>
    internal void Add(long sentTicks, Instant meshReceived, Instant meshSent, long receivedTicks)
    {
        long roundTrip = receivedTicks - sentTicks - (meshSent.Ticks - meshReceived.Ticks);
        // Times that cannot be true are no measurement: an answer before its question, or a mesh that took longer than the whole trip.
        if (receivedTicks < sentTicks || meshSent < meshReceived || roundTrip < 0) return;
        long offset = ((meshReceived.Ticks - sentTicks) + (meshSent.Ticks - receivedTicks)) / 2;
        if (_samples.Count == SamplesMax) _ = _samples.Dequeue();
        _samples.Enqueue(new Sample(roundTrip, offset, receivedTicks));

        Sample best = default;
        double least = double.MaxValue;
        foreach (Sample sample in _samples)
        {
            double error = (sample.RoundTrip / 2.0) + (DriftPerTick * (receivedTicks - sample.At));
            if (error > least) continue;
            (best, least) = (sample, error);
        }
        OffsetTicks = best.Offset;
        RoundTripMs = best.RoundTrip / (double)Instant.TicksPerMs;
    }

    private readonly record struct Sample(long RoundTrip, long Offset, long At);
}
