using Mesh30K.Consistency.Eventual;

namespace Mesh30K.Simulation.Laws;

/// <summary>What the checker has to know of a type: its operations, what a reader sees, and what a reader should see.</summary>
internal abstract class LawSubject<T>
    where T : class, ICrdt<T>, new()
{
    /// <summary>The word for <c>--type</c>.</summary>
    public abstract string Type { get; }

    /// <summary>The operations of the enumeration: few, and such that they conflict.</summary>
    public abstract IReadOnlyList<LawOperation> Alphabet { get; }

    public abstract LawOperation Draw(LawRandom random);

    /// <summary>Does the operation and returns its delta.</summary>
    public abstract T Apply(T state, int replica, LawOperation operation);

    public abstract string Describe(LawOperation operation);

    /// <summary>What a reader of the state sees.</summary>
    public abstract string Read(T state);

    /// <summary>What a reader has to see who has seen these events.</summary>
    public abstract string Model(LawHistory history, ulong seen);

    /// <summary>Whether nothing that was known before is forgotten without reason.</summary>
    public abstract bool Grew(T before, T after);

    /// <summary>The events that an operation undoes for whoever has seen them.</summary>
    public virtual ulong Covers(LawHistory history, ulong seen, LawOperation operation) => 0;

    /// <summary>Whether the operation's delta tells all that its replica has seen, and not that operation alone.</summary>
    public virtual bool DeltaIsWhole(LawOperation operation) => false;

    /// <summary>Whether the type asks a duty of its caller. Then some cases break it: the laws have to hold without it, the model need not.</summary>
    public virtual bool HasDuty => false;

    /// <summary>Whether the caller's duty allows this operation now.</summary>
    public virtual bool IsDutiful(LawHistory history, ReadOnlySpan<ulong> seen, LawOperation operation) => true;

    /// <summary>Tells the history of an operation that took place.</summary>
    public virtual void Note(LawHistory history, LawOperation operation)
    {
    }
}
