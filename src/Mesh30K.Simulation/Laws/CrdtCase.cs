using Mesh30K.Consistency.Eventual;

namespace Mesh30K.Simulation.Laws;

internal enum LawStepKind
{
    /// <summary>A replica does an operation; its delta is a message from then on.</summary>
    Local,

    /// <summary>A replica merges the present state of another.</summary>
    Merge,

    /// <summary>A replica's state is copied as a message.</summary>
    Send,

    /// <summary>A replica merges any message of the case, once more perhaps, and perhaps long after it was sent.</summary>
    Deliver,

    /// <summary>All replicas merge all.</summary>
    Sync,
}

/// <summary>One step of a case.</summary>
internal readonly record struct LawStep(LawStepKind Kind, int Replica, int Other, LawOperation Operation);

/// <summary>
/// One run of a history over <see cref="CrdtLaws.Replicas"/> replicas. Throws <see cref="BrokenLawException"/> at the first law that does not hold.
/// </summary>
/// <param name="subject">The type.</param>
/// <param name="careless">Whether the caller breaks the type's documented duty: then only the laws are checked, not the model.</param>
internal sealed class CrdtCase<T>(LawSubject<T> subject, bool careless)
    where T : class, ICrdt<T>, new()
{
    private readonly T[] _states = [new(), new(), new()];
    private readonly ulong[] _seen = new ulong[CrdtLaws.Replicas];
    private readonly LawHistory _history = new();
    private readonly List<(T State, byte[] Bytes, ulong Seen)> _messages = [];

    /// <param name="steps">What happens; a step that cannot be done is passed over.</param>
    /// <param name="pick">Picks the damaged byte.</param>
    public void Run(IReadOnlyList<LawStep> steps, int pick)
    {
        foreach (LawStep step in steps) Do(step);
        foreach ((T state, byte[] bytes, _) in _messages)
            Hold(state.Encode().AsSpan().SequenceEqual(bytes), "a message does not change after it was sent", state);
        LawChecks.Algebra(_states[0], _states[1], _states[2]);
        T all = LawChecks.Join(LawChecks.Join(_states[0], _states[1]), _states[2]);
        T fromMessages = new();
        for (int i = _messages.Count - 1; i >= 0; i--) fromMessages.Merge(_messages[i].State);
        Hold(fromMessages.SameAs(all), "joining deltas = joining full states", fromMessages);
        foreach (T state in _states) LawChecks.Encoding(state, pick);
        CheckModel(all, _seen[0] | _seen[1] | _seen[2]);
    }

    private void Do(LawStep step)
    {
        switch (step.Kind)
        {
            case LawStepKind.Local:
                DoLocal(step);
                break;
            case LawStepKind.Merge:
                Take(step.Replica, _states[step.Other], _seen[step.Other]);
                break;
            case LawStepKind.Send:
                Send(_states[step.Replica].Clone(), _seen[step.Replica]);
                break;
            case LawStepKind.Deliver when _messages.Count > 0:
                (T state, _, ulong seen) = _messages[step.Other % _messages.Count];
                Take(step.Replica, state, seen);
                break;
            case LawStepKind.Sync:
                for (int to = 0; to < CrdtLaws.Replicas * 2; to++)
                    for (int from = 0; from < CrdtLaws.Replicas; from++) Take(to % CrdtLaws.Replicas, _states[from], _seen[from]);
                break;
        }
    }

    private void DoLocal(LawStep step)
    {
        if (_history.Events.Count == LawHistory.EventsMax || (!careless && !subject.IsDutiful(_history, _seen, step.Operation))) return;
        int r = step.Replica;
        T before = _states[r].Clone();
        ulong covers = subject.Covers(_history, _seen[r], step.Operation);
        T delta = subject.Apply(_states[r], r, step.Operation);
        Hold(LawChecks.Join(before, delta).SameAs(_states[r]), "delta = full state", delta);
        Hold(subject.Grew(before, _states[r]), "a mutator only goes up", _states[r]);
        ulong bit = 1UL << _history.Events.Count;
        _history.Events.Add(new LawEvent(step.Operation, r, covers));
        subject.Note(_history, step.Operation);
        _seen[r] |= bit;
        Send(delta, delta.IsBottom ? 0 : subject.DeltaIsWhole(step.Operation) ? _seen[r] : bit); // of ⊥ nobody learns anything
        CheckModel(_states[r], _seen[r]);
    }

    private void Send(T state, ulong seen) => _messages.Add((state, state.Encode(), seen));

    private void Take(int replica, T other, ulong seen)
    {
        T mine = _states[replica];
        T before = mine.Clone();
        bool changed = mine.Merge(other);
        Hold(changed != mine.SameAs(before), "merge tells whether it changed something", mine);
        Hold(subject.Grew(before, mine) && subject.Grew(other, mine), "values are monotone", mine);
        _seen[replica] |= seen;
        CheckModel(mine, _seen[replica]);
    }

    private void CheckModel(T state, ulong seen)
    {
        if (careless) return;
        string shown = subject.Read(state);
        string wanted = subject.Model(_history, seen);
        if (shown != wanted) throw new BrokenLawException("agrees with the reference model", $"shows \"{shown}\", the model \"{wanted}\"");
    }

    private void Hold(bool holds, string law, T state)
    {
        if (!holds) throw new BrokenLawException(law, $"at a state that shows \"{subject.Read(state)}\"");
    }
}
