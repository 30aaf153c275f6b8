using System.Runtime.CompilerServices;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// The randomness of one agent, as a pure function of (fleet seed, global agent index, stream, counter): the k-th send to an agent sees
/// the same draws whichever planner chose its moment and whatever happened to other agents. Counter-based, so it keeps no state.
/// The mixer is the finaliser of SplitMix64 (Steele, Lea, Flood 2014); it passes BigCrush on consecutive counters.
/// Pure; safe on any thread.
/// </summary>
internal readonly struct AgentDraws
{
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private readonly ulong _key;

    public AgentDraws(ulong seed, int agentIndex) => _key = Mix(Mix(seed + Golden) ^ (((ulong)(uint)agentIndex + 1) * 0xD1B54A32D192ED03));

    /// <summary>64 random bits. <paramref name="stream"/> keeps uses apart (0 to 15), <paramref name="counter"/> counts within one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Bits(Stream stream, uint counter) => Mix(_key + ((((ulong)counter << 4) | (ulong)stream) + 1) * Golden);

    /// <summary>A uniform number in [0, 1) with 53 random bits.</summary>
    public double Uniform(Stream stream, uint counter) => (Bits(stream, counter) >> 11) * (1.0 / (1UL << 53));

    /// <summary>The low 32 bits of a word as a uniform number in [0, 1), never on either end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Low(ulong word) => ((uint)word + 0.5) * (1.0 / (1UL << 32));

    /// <summary>The high 32 bits of a word as a uniform number in [0, 1), never on either end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double High(ulong word) => ((word >> 32) + 0.5) * (1.0 / (1UL << 32));

    /// <summary>One of the three 21-bit parts of a word as a uniform number in [0, 1), never on either end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Third(ulong word, int part) => (((word >> (21 * part)) & 0x1FFFFF) + 0.5) * (1.0 / (1 << 21));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>What a draw is for. The numbers are part of the meaning of a seed: never renumber them.</summary>
    internal enum Stream : byte
    {
        /// <summary>Traits that the agent keeps for life: scales, share, asymmetry, trace path and offset.</summary>
        Trait = 0,

        /// <summary>Noise of the round trip and of the service of one send.</summary>
        Delay = 1,

        /// <summary>Loss, straggling and conflict of one send.</summary>
        Fate = 2,

        /// <summary>Whether the path's level shifts after one send, and to what.</summary>
        Shift = 3,

        /// <summary>Noise of a heartbeat's round trip.</summary>
        Heartbeat = 4,
    }
}
