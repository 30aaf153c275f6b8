using System.Globalization;
using System.Numerics;
using Mesh30K.Consistency.Eventual;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Simulation.Laws;

/// <summary>Grow-only set: everything seen is in it.</summary>
internal sealed class GSetSubject : LawSubject<GSet>
{
    public override string Type => "g-set";

    public override IReadOnlyList<LawOperation> Alphabet { get; } = [new(0, 0, 0, 0), new(0, 0, 1, 0), new(0, 0, 2, 0)];

    public override LawOperation Draw(LawRandom random) => new(0, 0, random.Next(6), 0);

    public override GSet Apply(GSet state, int replica, LawOperation operation) => state.Add(Word.Of('e', operation.Value));

    public override string Describe(LawOperation operation) => "add " + Word.Of('e', operation.Value);

    public override string Read(GSet state) => string.Join(' ', state.Elements);

    public override string Model(LawHistory history, ulong seen) =>
        string.Join(' ', history.Of(seen).Select(e => Word.Of('e', e.Operation.Value)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));

    public override bool Grew(GSet before, GSet after) => before.Elements.All(after.Contains);
}

/// <summary>Add-wins set: an addition that nothing seen undoes is in it. Kind 0 adds, kind 1 removes.</summary>
internal sealed class OrSetSubject : LawSubject<OrSet>
{
    public override string Type => "or-set";

    public override IReadOnlyList<LawOperation> Alphabet { get; } = [new(0, 0, 0, 0), new(1, 0, 0, 0), new(0, 0, 1, 0)];

    public override LawOperation Draw(LawRandom random) => new(random.OneIn(3) ? 1 : 0, 0, random.Next(3), 0);

    public override OrSet Apply(OrSet state, int replica, LawOperation operation) => AddWins.Apply(state, replica, operation);

    public override string Describe(LawOperation operation) => AddWins.Describe(operation);

    public override string Read(OrSet state) => string.Join(' ', state.Elements);

    public override string Model(LawHistory history, ulong seen) => AddWins.Model(history, seen, 0);

    public override bool Grew(OrSet before, OrSet after) => AddWins.Grew(before, after);

    public override ulong Covers(LawHistory history, ulong seen, LawOperation operation) => AddWins.Covers(history, seen, operation);
}

/// <summary>A map of add-wins sets: the composition behaves under each key as the set alone.</summary>
internal sealed class MapSubject : LawSubject<CrdtMap<OrSet>>
{
    public override string Type => "map";

    public override IReadOnlyList<LawOperation> Alphabet { get; } = [new(0, 0, 0, 0), new(1, 0, 0, 0), new(0, 1, 0, 0)];

    public override LawOperation Draw(LawRandom random) => new(random.OneIn(3) ? 1 : 0, random.Next(2), random.Next(2), 0);

    public override CrdtMap<OrSet> Apply(CrdtMap<OrSet> state, int replica, LawOperation operation) =>
        state.Update(Word.Of('k', operation.Key), set => AddWins.Apply(set, replica, operation));

    public override string Describe(LawOperation operation) => $"{AddWins.Describe(operation)} under {Word.Of('k', operation.Key)}";

    public override string Read(CrdtMap<OrSet> state) => Read(key => state.TryGet(Word.Of('k', key), out OrSet? set) ? string.Join(' ', set.Elements) : "");

    public override string Model(LawHistory history, ulong seen) => Read(key => AddWins.Model(history, seen, key));

    public override bool Grew(CrdtMap<OrSet> before, CrdtMap<OrSet> after) =>
        before.Keys.All(key => before.TryGet(key, out OrSet? old) && after.TryGet(key, out OrSet? now) && AddWins.Grew(old, now));

    public override ulong Covers(LawHistory history, ulong seen, LawOperation operation) => AddWins.Covers(history, seen, operation);

    private static string Read(Func<int, string> under) => $"{under(0)} | {under(1)}";
}

/// <summary>Last-writer-wins register: the latest write seen.</summary>
internal sealed class LwwRegisterSubject : LawSubject<LwwRegister>
{
    public override string Type => "lww-register";

    public override IReadOnlyList<LawOperation> Alphabet { get; } = [new(0, 0, 0, 1), new(0, 0, 1, 1), new(0, 0, 0, 2)];

    public override LawOperation Draw(LawRandom random) => new(0, 0, random.Next(3), random.Next(5));

    public override LwwRegister Apply(LwwRegister state, int replica, LawOperation operation) =>
        state.Set(Word.Of('v', operation.Value), LawHistory.StampOf(operation.Time, replica));

    public override string Describe(LawOperation operation) => LastWrite.Describe(operation);

    public override string Read(LwwRegister state) => state.Value ?? "";

    public override string Model(LawHistory history, ulong seen) => LastWrite.Model(history, seen, 0) ?? "";

    public override bool Grew(LwwRegister before, LwwRegister after) => before.IsBottom || after.At >= before.At;
}

/// <summary>Maps of maps of registers: the latest write seen under each path.</summary>
internal sealed class NestedMapSubject : LawSubject<CrdtMap<CrdtMap<LwwRegister>>>
{
    private const int Paths = 4;

    public override string Type => "nested-map";

    public override IReadOnlyList<LawOperation> Alphabet { get; } = [new(0, 0, 0, 1), new(0, 0, 1, 1), new(0, 2, 0, 2)];

    public override LawOperation Draw(LawRandom random) => new(0, random.Next(Paths), random.Next(3), random.Next(5));

    public override CrdtMap<CrdtMap<LwwRegister>> Apply(CrdtMap<CrdtMap<LwwRegister>> state, int replica, LawOperation operation) => state.Update(
        Outer(operation.Key), inner => inner.Update(Inner(operation.Key), r => r.Set(Word.Of('v', operation.Value), LawHistory.StampOf(operation.Time, replica))));

    public override string Describe(LawOperation operation) => LastWrite.Describe(operation);

    public override string Read(CrdtMap<CrdtMap<LwwRegister>> state) => LastWrite.Line(Paths, key => Find(state, key)?.Value);

    public override string Model(LawHistory history, ulong seen) => LastWrite.Line(Paths, key => LastWrite.Model(history, seen, key));

    public override bool Grew(CrdtMap<CrdtMap<LwwRegister>> before, CrdtMap<CrdtMap<LwwRegister>> after) =>
        Enumerable.Range(0, Paths).All(key => Find(before, key) is not { } old || Find(after, key)?.At >= old.At);

    private static LwwRegister? Find(CrdtMap<CrdtMap<LwwRegister>> state, int key) =>
        state.TryGet(Outer(key), out CrdtMap<LwwRegister>? inner) && inner.TryGet(Inner(key), out LwwRegister? register) ? register : null;

    private static string Outer(int key) => Word.Of('o', key & 1);

    private static string Inner(int key) => Word.Of('i', key >> 1);
}

/// <summary>Last-writer-wins map. Kind 0 sets, 1 removes, 2 drops what is stable up to the operation's time.</summary>
internal sealed class LwwMapSubject : LawSubject<LwwMap>
{
    private const int Keys = 3;
    private const int Drop = 2;

    public override string Type => "lww-map";

    public override IReadOnlyList<LawOperation> Alphabet { get; } = [new(0, 0, 0, 1), new(1, 0, 0, 2), new(0, 1, 1, 1), new(Drop, 0, 0, 2)];

    public override LawOperation Draw(LawRandom random) =>
        new(random.Next(8) switch { 0 => Drop, < 4 => 1, _ => 0 }, random.Next(Keys), random.Next(3), random.Next(6));

    public override LwwMap Apply(LwwMap state, int replica, LawOperation operation)
    {
        Hlc at = LawHistory.StampOf(operation.Time, replica);
        string key = Word.Of('k', operation.Key);
        return operation.Kind switch
        {
            0 => state.Set(key, Word.Of('v', operation.Value), at),
            1 => state.Remove(key, at),
            _ => state.DropStable(Frontier(operation.Time)),
        };
    }

    public override string Describe(LawOperation operation) => operation.Kind switch
    {
        0 => LastWrite.Describe(operation),
        1 => $"remove {Word.Of('k', operation.Key)} at {operation.Time}",
        _ => $"drop what is stable at {operation.Time}",
    };

    public override string Read(LwwMap state) => LastWrite.Line(Keys, key => state[Word.Of('k', key)]);

    public override string Model(LawHistory history, ulong seen) => LastWrite.Line(Keys, key => LastWrite.Model(history, seen, key));

    public override bool Grew(LwwMap before, LwwMap after)
    {
        if (after.Floor < before.Floor) return false;
        for (int key = 0; key < Keys; key++)
        {
            if (before.Find(Word.Of('k', key)) is not { } old || old.At <= after.Floor) continue;
            if (after.Find(Word.Of('k', key)) is not { } now || old.Beats(now)) return false;
        }
        return true;
    }

    public override bool DeltaIsWhole(LawOperation operation) => operation.Kind == Drop;

    public override bool HasDuty => true;

    /// <summary>What is dropped was seen by all, and nobody writes at or below a floor.</summary>
    public override bool IsDutiful(LawHistory history, ReadOnlySpan<ulong> seen, LawOperation operation) => operation.Kind == Drop
        ? history.SeenByAll(seen, e => e.Operation.Kind != Drop && e.Operation.Time <= operation.Time)
        : operation.Time > history.StableTime;

    public override void Note(LawHistory history, LawOperation operation)
    {
        if (operation.Kind == Drop) history.StableTime = Math.Max(history.StableTime, operation.Time);
    }

    private static Hlc Frontier(int time) => new(time, Hlc.CounterMax, default);
}

/// <summary>Fact base: every fact seen, and the latest of each attribute is current.</summary>
internal sealed class FactBaseSubject : LawSubject<FactBase>
{
    private const int Keys = 3;

    public override string Type => "fact-base";

    public override IReadOnlyList<LawOperation> Alphabet { get; } = [new(0, 0, 0, 1), new(0, 0, 1, 1), new(0, 0, 0, 2)];

    public override LawOperation Draw(LawRandom random) => new(0, random.Next(Keys), random.Next(3), random.Next(4));

    public override FactBase Apply(FactBase state, int replica, LawOperation operation) =>
        state.Add(Word.Of('n', operation.Key & 1), Word.Of('t', operation.Key >> 1), Word.Of('v', operation.Value), LawHistory.StampOf(operation.Time, replica));

    public override string Describe(LawOperation operation) => "fact: " + LastWrite.Describe(operation);

    public override string Read(FactBase state) => Line(
        state.Facts.Select(f => (f.Entity[^1] - '0' + (2 * (f.Attribute[^1] - '0')), f.At, f.Value)),
        key => state.Current(Word.Of('n', key & 1), Word.Of('t', key >> 1))?.Value);

    public override string Model(LawHistory history, ulong seen) => Line(
        history.Of(seen).Select(e => (e.Operation.Key, LawHistory.StampOf(e.Operation.Time, e.Replica), Word.Of('v', e.Operation.Value))).Distinct(),
        key => LastWrite.Model(history, seen, key));

    public override bool Grew(FactBase before, FactBase after) => before.Facts.All(f => after.History(f.Entity, f.Attribute).Contains(new FactVersion(f.At, f.Value)));

    private static string Line(IEnumerable<(int Key, Hlc At, string Value)> facts, Func<int, string?> current)
    {
        IEnumerable<string> sorted = facts.OrderBy(f => f.Key).ThenBy(f => f.At).ThenBy(f => f.Value, StringComparer.Ordinal)
            .Select(f => string.Create(CultureInfo.InvariantCulture, $"{f.Key}:{f.At.Ms}{f.At.Replica}{f.Value}"));
        return $"{string.Join(' ', sorted)} | {LastWrite.Line(Keys, current)}";
    }
}

/// <summary>Reference semantics of add-wins: for each event, which additions it undoes. Key and value together name the element.</summary>
internal static class AddWins
{
    public static OrSet Apply(OrSet state, int replica, LawOperation operation)
    {
        string element = Word.Of('e', operation.Value);
        return operation.Kind == 0 ? state.Add(LawHistory.ReplicaOf(replica), element) : state.Remove(element);
    }

    public static string Describe(LawOperation operation) => (operation.Kind == 0 ? "add " : "remove ") + Word.Of('e', operation.Value);

    /// <summary>The additions of this element that somebody who has seen these events finds present.</summary>
    public static ulong Covers(LawHistory history, ulong seen, LawOperation operation)
    {
        ulong live = 0;
        ulong undone = 0;
        for (ulong rest = seen; rest != 0; rest &= rest - 1)
        {
            LawEvent one = history.Events[BitOperations.TrailingZeroCount(rest)];
            undone |= one.Covers;
            bool same = one.Operation.Key == operation.Key && one.Operation.Value == operation.Value;
            if (same && one.Operation.Kind == 0) live |= rest & (~rest + 1);
        }
        return live & ~undone;
    }

    public static string Model(LawHistory history, ulong seen, int key)
    {
        IEnumerable<LawOperation> added = history.Of(seen).Select(e => e.Operation).Where(o => o.Kind == 0 && o.Key == key).Distinct();
        return string.Join(' ', added.Where(o => Covers(history, seen, o) != 0).Select(o => Word.Of('e', o.Value)).Order(StringComparer.Ordinal));
    }

    /// <summary>An element leaves only when its additions are known to be removed: their dots stay seen, and so do all others.</summary>
    public static bool Grew(OrSet before, OrSet after)
    {
        for (int replica = 0; replica < CrdtLaws.Replicas; replica++)
        {
            for (long number = 1; number <= LawHistory.EventsMax; number++)
            {
                Dot dot = new(number, LawHistory.ReplicaOf(replica));
                if (before.HasSeen(dot) && !after.HasSeen(dot)) return false;
            }
        }
        return true;
    }
}

/// <summary>Reference semantics of last-writer-wins: the largest (time, replica, value) of the events seen; a removal is the smallest value.</summary>
internal static class LastWrite
{
    private const int Remove = 1;

    public static string Describe(LawOperation operation) =>
        string.Create(CultureInfo.InvariantCulture, $"set {Word.Of('k', operation.Key)} to {Word.Of('v', operation.Value)} at {operation.Time}");

    public static string? Model(LawHistory history, ulong seen, int key)
    {
        (int Time, int Replica, int Value) last = (-1, -1, -1);
        foreach (LawEvent one in history.Of(seen))
        {
            if (one.Operation.Key != key || one.Operation.Kind > Remove) continue;
            (int, int, int) write = (one.Operation.Time, one.Replica, one.Operation.Kind == Remove ? -1 : one.Operation.Value);
            if (write.CompareTo(last) > 0) last = write;
        }
        return last.Value < 0 ? null : Word.Of('v', last.Value);
    }

    public static string Line(int keys, Func<int, string?> valueOf)
    {
        string line = "";
        for (int key = 0; key < keys; key++) line += (valueOf(key) ?? "-") + " ";
        return line;
    }
}

/// <summary>Short names for keys and values: <c>e0</c> to <c>e9</c>; ordered as their numbers are.</summary>
internal static class Word
{
    private static readonly string[] Words = [.. from letter in Enumerable.Range('a', 26) from digit in Enumerable.Range(0, 10) select $"{(char)letter}{digit}"];

    public static string Of(char letter, int number) => Words[((letter - 'a') * 10) + number];
}
