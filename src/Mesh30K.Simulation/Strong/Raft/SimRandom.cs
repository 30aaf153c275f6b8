namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>SplitMix64 (Steele, Lea, Flood 2014). One owner.</summary>
internal sealed class SimRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>A stream of its own for each purpose, so that one that draws more or less does not change what the others draw.</summary>
    public static SimRandom Of(ulong seed, SimStream purpose, int number = 0) =>
        new(new SimRandom(seed ^ ((ulong)purpose * 0xD1B54A32D192ED03) ^ ((ulong)number * 0x8CB92BA72F3D8DD7)).NextSeed());

    public ulong NextSeed()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number of 0 to <paramref name="below"/> − 1.</summary>
    public int Next(int below) => (int)(NextSeed() % (ulong)below);

    public int Between(int least, int most) => least + Next(most - least + 1);

    public bool OneIn(int count) => Next(count) == 0;

    public bool Percent(int percent) => Next(100) < percent;

    /// <summary>Ticks of <paramref name="least"/> to <paramref name="most"/> milliseconds.</summary>
    public long Ms(double least, double most) => (long)((least + (most - least) * (NextSeed() >> 11) * (1.0 / (1UL << 53))) * TimeSpan.TicksPerMillisecond);

    public T Of<T>(IReadOnlyList<T> list) => list[Next(list.Count)];
}

/// <summary>What chance decides in a run.</summary>
internal enum SimStream
{
    /// <summary>The group, its options and its faults.</summary>
    Plan = 1,

    /// <summary>What becomes of messages.</summary>
    Network,

    /// <summary>A server's disk, timers and delays; each server has one.</summary>
    Server,

    /// <summary>What a client asks, whom and when; each client has one.</summary>
    Client,

    /// <summary>What is done to the healed group.</summary>
    Afterwards,
}
