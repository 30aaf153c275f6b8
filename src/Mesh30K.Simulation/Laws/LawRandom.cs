namespace Mesh30K.Simulation.Laws;

/// <summary>SplitMix64 (Steele, Lea, Flood 2014) from a seed and the number of a case: a case can be run alone, and in any order. One owner.</summary>
internal sealed class LawRandom(ulong seed, long caseNumber)
{
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private ulong _state = Mix(seed + Golden) ^ Mix((ulong)caseNumber * 0xD1B54A32D192ED03);

    /// <summary>A number of 0 to <paramref name="below"/> − 1; the bias of the remainder is below 2⁻³² for the small bounds used here.</summary>
    public int Next(int below) => (int)(Mix(_state += Golden) % (ulong)below);

    public bool OneIn(int count) => Next(count) == 0;

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
