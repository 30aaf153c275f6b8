using System.Collections;

namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>The law checker is only worth what it catches: bugs planted in the real source of each type, one at a time.</summary>
public sealed class CrdtMutantTests
{
    private const string Eventual = "src/Mesh30K.Consistency/Eventual/";
    private const string Time = "src/Mesh30K.Consistency/Time/";
    private const long Cases = 2_000;

    private static readonly Lazy<MutantBuild> Build = new(() => new MutantBuild(
        ["src/Mesh30K.Consistency/Time", "src/Mesh30K.Consistency/Eventual", "src/Mesh30K.Simulation/Laws"], "Mesh30K.Consistency", "Mesh30K.Simulation"));

    /// <summary>Type to check, file, snippet, replacement.</summary>
    public static TheoryData<string, string, string, string> Mutants => new()
    {
        { "g-set", Eventual + "GSet.cs", "_elements.UnionWith(other._elements);", "if (other._elements.Count > 1) _elements.UnionWith(other._elements);" },
        { "g-set", Eventual + "GSet.cs", "if (_elements.Add(element)) delta", "if (_elements.Add(element) && element == \"\") delta" },
        { "g-set", Eventual + "GSet.cs", "_elements.Order(StringComparer.Ordinal)", "_elements" },
        { "or-set", Eventual + "OrSet.cs", "if (!_seen.Contains(dot)) Hold", "if (!_holders.ContainsKey(dot)) Hold" },
        { "or-set", Eventual + "OrSet.cs", "return _seen.Merge(other._seen) || gone.Count > 0;", "return gone.Count > 0;" },
        { "or-set", Eventual + "OrSet.cs", " && other._seen.Contains(dot)) gone", ") gone" },
        { "or-set", Eventual + "OrSet.cs", "Drop(dot);\n            delta._seen.Add(dot);", "Drop(dot);" },
        { "or-set", Eventual + "OrSet.cs", "OrSet delta = Remove(element);", "OrSet delta = new(); Remove(element);" },
        { "or-set", Eventual + "DotContext.cs", "if (dot.Number == _vector[dot.Writer] + 1)", "if (dot.Number > _vector[dot.Writer])" },
        { "or-set", Eventual + "DotContext.cs", "_cloud.RemoveWhere(_vector.Contains);", "" },
        { "lww-register", Eventual + "LwwRegister.cs", "string.CompareOrdinal(Value, other.Value) > 0", "false" },
        { "lww-register", Eventual + "LwwRegister.cs", "At > other.At", "At.Ms > other.At.Ms" },
        { "lww-register", Eventual + "LwwRegister.cs", "other._cell.Beats(_cell)", "!_cell.Beats(other._cell)" },
        { "lww-map", Eventual + "LwwMap.cs", "cell.Value is null && cell.At <= frontier", "cell.Value is null" },
        { "lww-map", Eventual + "LwwMap.cs", "if (belowIsSettled && theirs.At <= Floor) continue;", "" },
        { "lww-map", Eventual + "LwwMap.cs", "if (changed) RaiseFloor(other.Floor);", "if (changed) Floor = other.Floor;" },
        { "lww-map", Eventual + "LwwMap.cs", "if (known && !cell.Beats(mine))", "if (known && cell.At <= mine.At)" },
        { "lww-map", Eventual + "LwwMap.cs", "return Clone();\n    }\n\n    public bool Merge", "return new LwwMap { Floor = frontier };\n    }\n\n    public bool Merge" },
        { "lww-map", Eventual + "LwwMap.cs", "if (cell.At <= Floor) return delta;", "" },
        { "fact-base", Eventual + "FactBase.cs", "At.CompareTo(other.At) : string.CompareOrdinal(Value, other.Value)", "At.CompareTo(other.At) : 0" },
        { "fact-base", Eventual + "FactBase.cs", "if (order >= 0) b", "if (order > 0) b" },
        { "fact-base", Eventual + "FactBase.cs", "theirs[0].CompareTo(mine[^1]) > 0", "theirs[0].CompareTo(mine[^1]) >= 0" },
        { "fact-base", Eventual + "FactBase.cs", "? versions[^1] : null", "? versions[0] : null" },
        { "map", Eventual + "CrdtMap.cs", "theirs.Clone()", "theirs" },
        { "map", Eventual + "CrdtMap.cs", "changed |= mine.Merge(theirs);", "" },
        { "map", Eventual + "CrdtMap.cs", "if (!value.IsBottom) _values", "_values" },
        { "nested-map", Eventual + "CrdtMap.cs", "theirs.Clone()", "theirs" },
        { "nested-map", Eventual + "CrdtMap.cs", "copy._values.Add(key, value.Clone())", "copy._values.Add(key, value)" },
        { "hlc", Time + "HlcClock.cs", "if (counter < Hlc.CounterMax) Set", "if (counter >= 0) Set" },
        { "hlc", Time + "HlcClock.cs", "if (wallMs > _ms) Set(wallMs, 0);", "if (wallMs != _ms) Set(wallMs, 0);" },
        { "hlc", Time + "HlcClock.cs", "else Advance(remote.Ms, remote.Counter);", "else Set(remote.Ms, 0);" },
        { "hlc", Time + "HlcClock.cs", "> _aheadMaxMs", ">= _aheadMaxMs" },
        { "hlc", Time + "HlcClock.cs", "Math.Max(_counter, remote.Counter)", "_counter" },
        { "vector-clock", Time + "VectorClock.cs", "_dots[mine].Number >= other._dots[theirs].Number", "_dots[mine].Number <= other._dots[theirs].Number" },
        { "vector-clock", Time + "VectorClock.cs", "dot.Number <= this[dot.Writer]", "dot.Number < this[dot.Writer]" },
        { "vector-clock", Time + "VectorClock.cs", "(true, false) => CausalOrder.Before", "(true, false) => CausalOrder.After" },
        { "lww-map", Eventual + "CrdtReader.cs", "number <= most && (part != 0 || at == 0)", "number <= most" },
        { "or-set", Eventual + "ICrdt.cs", "reader is { Failed: false, AtEnd: true }", "reader is { Failed: false }" },
    };

    [Theory]
    [MemberData(nameof(Mutants))]
    public void A_planted_bug_is_caught(string type, string path, string snippet, string replacement)
    {
        using Mutant mutant = Build.Value.Load(new Mutation(path, snippet, replacement));
        Assert.NotEqual(0, Violations(mutant, type));
    }

    [Fact]
    public void The_source_as_it_is_is_clean()
    {
        using Mutant clean = Build.Value.Load(null);
        foreach (string type in Mutants.Select(m => m.Data.Item1).Distinct(StringComparer.Ordinal)) Assert.Equal(0, Violations(clean, type));
    }

    private static int Violations(Mutant build, string type)
    {
        object report = build.Call("Mesh30K.Simulation.Laws.CrdtLaws", "Check", type, 0L, Cases, 1UL, null)!;
        return ((ICollection)report.GetType().GetProperty("Violations")!.GetValue(report)!).Count;
    }
}
