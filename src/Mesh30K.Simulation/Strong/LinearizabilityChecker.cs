namespace Mesh30K.Simulation.Strong;

/// <summary>Whether a history can be put in one order.</summary>
public enum HistoryVerdict
{
    /// <summary>There is an order in which every operation stands between its call and its return, and each answer is right.</summary>
    Linearizable,

    /// <summary>There is none.</summary>
    Violation,

    /// <summary>The search came to its bound before it knew.</summary>
    Undecided,
}

/// <summary>Why a history has no order: the shortest prefix that has none.</summary>
/// <param name="Blocked">The operation whose answer fits no order. The prefix ends when it returned.</param>
/// <param name="Possible">What its register could have held by then, as far as it was looked; at most 10 values.</param>
/// <param name="Prefix">The operations on that register that were called by then, in the order of their calls.</param>
public sealed record HistoryWitness(HistoryOperation Blocked, IReadOnlyList<string?> Possible, IReadOnlyList<HistoryOperation> Prefix);

/// <summary>What was found of one register.</summary>
/// <param name="Key">The register.</param>
/// <param name="Verdict">Whether its operations have an order.</param>
/// <param name="Operations">How many there are.</param>
/// <param name="Configurations">How many configurations the search looked at.</param>
/// <param name="Witness">For a violation: why.</param>
public sealed record KeyReport(string Key, HistoryVerdict Verdict, int Operations, long Configurations, HistoryWitness? Witness);

/// <summary>What was found of a history.</summary>
/// <param name="Verdict">A violation when one key has one; else undecided when one key is; else linearizable.</param>
/// <param name="Keys">Each register, in the ordinal order of the keys.</param>
public sealed record HistoryReport(HistoryVerdict Verdict, IReadOnlyList<KeyReport> Keys);

/// <summary>Checks histories of registers for linearizability, each key by itself (<see cref="RegisterSearch"/>). Deterministic; stateless.</summary>
public static class LinearizabilityChecker
{
    /// <summary>Configurations of one key's search, unless told otherwise.</summary>
    public const long ConfigurationsMax = 5_000_000;

    /// <summary>
    /// Checks a history. Exponential at worst, in the operations of a key that are under way at once and in those of unknown outcome; then it ends undecided, and never
    /// with a wrong verdict.
    /// </summary>
    /// <param name="operations">In any order.</param>
    /// <param name="configurationsMax">Configurations of one key's search, at least 1: beyond, or with more than 256 MiB of them, the key is undecided.</param>
    /// <param name="stop">Ends it with an <see cref="OperationCanceledException"/>.</param>
    public static HistoryReport Check(IEnumerable<HistoryOperation> operations, long configurationsMax = ConfigurationsMax, CancellationToken stop = default)
    {
        ArgumentNullException.ThrowIfNull(operations);
        ArgumentOutOfRangeException.ThrowIfLessThan(configurationsMax, 1);
        KeyReport[] keys = [.. operations.GroupBy(o => o.Key, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => CheckKey(g.Key, [.. g], configurationsMax, stop))];
        HistoryVerdict verdict = HistoryVerdict.Linearizable;
        if (Array.Exists(keys, k => k.Verdict == HistoryVerdict.Undecided)) verdict = HistoryVerdict.Undecided;
        if (Array.Exists(keys, k => k.Verdict == HistoryVerdict.Violation)) verdict = HistoryVerdict.Violation;
        return new HistoryReport(verdict, keys);
    }

    private static KeyReport CheckKey(string key, HistoryOperation[] operations, long configurationsMax, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        RegisterHistory history = new(operations);
        RegisterSearch search = new(history, configurationsMax, stop);
        HistoryVerdict verdict = search.Run();
        HistoryWitness? witness = null;
        if (verdict == HistoryVerdict.Violation)
        {
            RegisterOperation blocked = search.Blocked;
            HistoryOperation[] prefix = [.. operations.Where(o => o.CallNs <= blocked.ReturnNs).OrderBy(o => o.CallNs).ThenBy(o => o.Line)];
            witness = new HistoryWitness(blocked.Source, [.. search.Possible.Select(history.ValueOf)], prefix);
        }
        return new KeyReport(key, verdict, operations.Length, search.Looked, witness);
    }
}
