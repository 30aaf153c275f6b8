using Mesh30K.Consistency.Time;

namespace Mesh30K.Simulation.Laws;

/// <summary>A local operation as small numbers; what they mean is said by the subject.</summary>
internal readonly record struct LawOperation(int Kind, int Key, int Value, int Time);

/// <summary>An operation that took place.</summary>
/// <param name="Operation">What was done.</param>
/// <param name="Replica">Where.</param>
/// <param name="Covers">The earlier events that it undoes, as a bit set of their numbers.</param>
internal readonly record struct LawEvent(LawOperation Operation, int Replica, ulong Covers);

/// <summary>
/// The events of a case, from which the reference model tells what a replica has to show: a function of which events it has seen, and of nothing
/// that the type under test computed. Events are numbered from 0; a set of them is a bit set.
/// </summary>
internal sealed class LawHistory
{
    public const int EventsMax = 64;

    private static readonly ReplicaId[] Replicas = [ReplicaId.Parse("a"), ReplicaId.Parse("b"), ReplicaId.Parse("c")];

    public LawHistory(params ReadOnlySpan<LawEvent> events) => Events = [.. events];

    public List<LawEvent> Events { get; }

    /// <summary>The latest time up to which everything was declared stable; 0 for none.</summary>
    public int StableTime { get; set; }

    public static ReplicaId ReplicaOf(int index) => Replicas[index];

    /// <summary>A timestamp with a small time: cases are short, and equal times are wanted.</summary>
    public static Hlc StampOf(int time, int replica) => new(time, 0, Replicas[replica]);

    /// <summary>The events of the set, ascending.</summary>
    public IEnumerable<LawEvent> Of(ulong set)
    {
        for (int i = 0; i < Events.Count; i++)
            if ((set >> i & 1) != 0) yield return Events[i];
    }

    /// <summary>Whether each of the sets has every event that <paramref name="which"/> picks.</summary>
    public bool SeenByAll(ReadOnlySpan<ulong> sets, Func<LawEvent, bool> which)
    {
        for (int i = 0; i < Events.Count; i++)
        {
            if (!which(Events[i])) continue;
            foreach (ulong set in sets)
                if ((set >> i & 1) == 0) return false;
        }
        return true;
    }
}
