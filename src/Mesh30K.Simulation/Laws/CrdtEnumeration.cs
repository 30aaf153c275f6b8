using Mesh30K.Consistency.Eventual;

namespace Mesh30K.Simulation.Laws;

/// <summary>
/// Every joint state that <see cref="CrdtLaws.Replicas"/> replicas reach by local operations of the subject's alphabet and merges between replicas,
/// breadth first, so that a violation has a shortest history. Replica states are interned by their canonical bytes, and joint states that
/// were met before are not gone on from; every way to them is still held against the reference model.
/// </summary>
internal sealed class CrdtEnumeration<T>(LawSubject<T> subject)
    where T : class, ICrdt<T>, new()
{
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<(T State, string Shown)> _states = [];
    private readonly Dictionary<(int, int), int> _joins = [];
    private readonly Dictionary<(int, int, int), (int After, int Delta)> _applied = [];
    private long _transitions;

    public EnumerationReport Run(int depth)
    {
        HashSet<(int, int, int)> met = [];
        List<LawViolation> violations = [];
        int bottom = Intern(new T());
        List<Node> frontier = [new Node((bottom, bottom, bottom), (0, 0, 0), [], 0, null, "")];
        met.Add(frontier[0].Ids);
        for (int level = 0; level < depth && violations.Count == 0; level++)
        {
            List<Node> next = [];
            foreach (Node node in frontier)
            {
                if (!Expand(node, met, next, violations)) break;
            }
            frontier = next;
        }
        return new EnumerationReport(subject.Type, met.Count, _states.Count, _transitions, violations);
    }

    private bool Expand(Node node, HashSet<(int, int, int)> met, List<Node> next, List<LawViolation> violations)
    {
        string step = "";
        try
        {
            foreach ((string described, Func<Node?> go) in Steps(node))
            {
                step = described;
                if (go() is not { } after) continue;
                _transitions++;
                CheckModel(after);
                if (!met.Add(after.Ids)) continue;
                CheckLaws(after.Ids);
                next.Add(after);
            }
            return true;
        }
        catch (Exception thrown)
        {
            string law = thrown is BrokenLawException broken ? broken.Law : "nothing throws";
            violations.Add(new LawViolation(subject.Type, law, 0, -1, [.. node.Path(), step], thrown is BrokenLawException ? thrown.Message : BrokenLawException.Told(thrown)));
            return false;
        }
    }

    private IEnumerable<(string Described, Func<Node?> Go)> Steps(Node node)
    {
        for (int replica = 0; replica < CrdtLaws.Replicas; replica++)
        {
            int r = replica;
            for (int index = 0; index < subject.Alphabet.Count; index++)
            {
                int operation = index;
                string step = $"{LawHistory.ReplicaOf(r)}: {subject.Describe(subject.Alphabet[operation])}";
                yield return (step, () => Local(node, r, operation, step));
            }
            for (int other = 0; other < CrdtLaws.Replicas; other++)
            {
                int from = other;
                string step = $"{LawHistory.ReplicaOf(r)}: merge {LawHistory.ReplicaOf(from)}";
                if (from != r) yield return (step, () => Merge(node, r, from, step));
            }
        }
    }

    private Node? Local(Node node, int replica, int index, string step)
    {
        LawOperation operation = subject.Alphabet[index];
        LawHistory history = new(node.Events) { StableTime = node.StableTime };
        if (!subject.IsDutiful(history, [node.Seen.Item1, node.Seen.Item2, node.Seen.Item3], operation)) return null;
        ulong seen = Get(node.Seen, replica);
        int before = Get(node.Ids, replica);
        history.Events.Add(new LawEvent(operation, replica, subject.Covers(history, seen, operation)));
        subject.Note(history, operation);
        (int after, int delta) = Apply(before, replica, index);
        LawChecks.Hold(Join(before, delta) == after, "delta = full state");
        return new Node(
            With(node.Ids, replica, after), With(node.Seen, replica, seen | (1UL << node.Events.Length)), [.. history.Events], history.StableTime, node, step);
    }

    private Node Merge(Node node, int replica, int from, string step) => node with
    {
        Ids = With(node.Ids, replica, Join(Get(node.Ids, replica), Get(node.Ids, from))),
        Seen = With(node.Seen, replica, Get(node.Seen, replica) | Get(node.Seen, from)),
        Before = node,
        Step = step,
    };

    private void CheckModel(Node node)
    {
        LawHistory history = new(node.Events);
        for (int replica = 0; replica < CrdtLaws.Replicas; replica++)
        {
            string shown = _states[Get(node.Ids, replica)].Shown;
            string wanted = subject.Model(history, Get(node.Seen, replica));
            LawChecks.Hold(shown == wanted, "agrees with the reference model", $"replica {LawHistory.ReplicaOf(replica)} shows \"{shown}\", the model \"{wanted}\"");
        }
    }

    private void CheckLaws((int A, int B, int C) ids)
    {
        (int a, int b, int c) = ids;
        int ab = Join(a, b);
        int bc = Join(b, c);
        int ac = Join(a, c);
        LawChecks.Hold(ab == Join(b, a) && bc == Join(c, b) && ac == Join(c, a), "commutative");
        int abc = Join(ab, c);
        LawChecks.Hold(abc == Join(a, bc) && abc == Join(b, ac), "associative");
        LawChecks.Hold(Join(a, a) == a && Join(b, b) == b && Join(c, c) == c && Join(abc, abc) == abc, "idempotent");
        LawChecks.Hold(Join(ab, a) == ab && Join(abc, ac) == abc && Join(abc, b) == abc, "monotone: a ⊑ a ⊔ b");
    }

    private (int After, int Delta) Apply(int id, int replica, int index)
    {
        if (_applied.TryGetValue((id, replica, index), out (int, int) known)) return known;
        T state = _states[id].State.Clone();
        T delta = subject.Apply(state, replica, subject.Alphabet[index]);
        LawChecks.Hold(subject.Grew(_states[id].State, state), "a mutator only goes up");
        return _applied[(id, replica, index)] = (Intern(state), Intern(delta));
    }

    private int Join(int a, int b)
    {
        if (_joins.TryGetValue((a, b), out int known)) return known;
        T joined = LawChecks.Join(_states[a].State, _states[b].State);
        LawChecks.Hold(subject.Grew(_states[a].State, joined) && subject.Grew(_states[b].State, joined), "values are monotone");
        return _joins[(a, b)] = Intern(joined);
    }

    private int Intern(T state)
    {
        byte[] bytes = state.Encode();
        string key = Convert.ToHexString(bytes);
        if (_ids.TryGetValue(key, out int id))
        {
            LawChecks.Hold(_states[id].State.SameAs(state), "equal bytes are of equal states");
            return id;
        }
        LawChecks.Encoding(state, bytes.Length / 2);
        _states.Add((state, subject.Read(state)));
        return _ids[key] = _states.Count - 1;
    }

    private static TItem Get<TItem>((TItem, TItem, TItem) of, int index) => index switch { 0 => of.Item1, 1 => of.Item2, _ => of.Item3 };

    private static (TItem, TItem, TItem) With<TItem>((TItem, TItem, TItem) of, int index, TItem item) =>
        index switch { 0 => (item, of.Item2, of.Item3), 1 => (of.Item1, item, of.Item3), _ => (of.Item1, of.Item2, item) };

    /// <summary>A joint state, one history that leads to it, and what each replica has seen of that history.</summary>
    private sealed record Node((int, int, int) Ids, (ulong, ulong, ulong) Seen, LawEvent[] Events, int StableTime, Node? Before, string Step)
    {
        public IEnumerable<string> Path() => Before is null ? [] : Before.Path().Append(Step);
    }
}
