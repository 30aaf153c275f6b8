namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>The effects of steps, in order. The host's: it may give the same one to each step, and clears it when they are carried out.</summary>
public sealed class RaftEffects
{
    private readonly List<RaftEffect> _list = [];

    public IReadOnlyList<RaftEffect> List => _list;

    public void Clear() => _list.Clear();

    internal void Add(RaftEffect effect) => _list.Add(effect);
}
