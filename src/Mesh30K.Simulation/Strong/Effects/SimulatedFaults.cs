using Mesh30K.Simulation.Laws;

namespace Mesh30K.Simulation.Strong.Effects;

/// <summary>Faults by chance, from one seed, until <see cref="Heal"/>; counted by kind. One owner.</summary>
internal sealed class SimulatedFaults(ulong seed)
{
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private bool _isHealed;

    public LawRandom Random { get; } = new(seed, 0);

    /// <summary>How often each kind happened.</summary>
    public IReadOnlyDictionary<string, long> Counts => _counts;

    /// <summary>Whether the fault happens now: once in so many times.</summary>
    public bool Happens(string kind, int onceIn)
    {
        if (_isHealed || !Random.OneIn(onceIn)) return false;
        _counts[kind] = _counts.GetValueOrDefault(kind) + 1;
        return true;
    }

    /// <summary>No more faults.</summary>
    public void Heal() => _isHealed = true;
}
