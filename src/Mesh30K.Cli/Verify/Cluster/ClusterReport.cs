using Mesh30K.Simulation.Strong;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>How often an operation ended how, as its client saw it.</summary>
internal sealed record OperationCounts(int Ok, int Fail, int Unknown)
{
    public static OperationCounts Of(IEnumerable<HistoryOperation> operations, HistoryOp op)
    {
        int[] counts = new int[3];
        foreach (HistoryOperation operation in operations)
        {
            if (operation.Op == op) counts[(int)operation.Outcome]++;
        }
        return new OperationCounts(counts[(int)HistoryOutcome.Ok], counts[(int)HistoryOutcome.Fail], counts[(int)HistoryOutcome.Unknown]);
    }
}

/// <summary>A key whose operations have no order.</summary>
/// <param name="Line">Where the operation stands in the history that fits no order.</param>
/// <param name="IsLoss">Whether the history fits until the reads at the end: an acknowledged write was lost.</param>
internal sealed record ClusterViolation(string Key, int Line, string Operation, IReadOnlyList<string?> Possible, bool IsLoss);

/// <summary>What a run has shown.</summary>
internal sealed record ClusterReport
{
    public required int Nodes { get; init; }

    public required int Seconds { get; init; }

    public required int Seed { get; init; }

    public required int Clients { get; init; }

    public required string History { get; init; }

    /// <summary>linearizable, violation or undecided.</summary>
    public required string Verdict { get; init; }

    public required int Operations { get; init; }

    public required int Keys { get; init; }

    public required OperationCounts Get { get; init; }

    public required OperationCounts Put { get; init; }

    public required OperationCounts Cas { get; init; }

    /// <summary>Compare-and-sets that were surely not taken, and so are not in the history.</summary>
    public required int CasNotTaken { get; init; }

    public required int FaultsPlanned { get; init; }

    public required int FaultsInjected { get; init; }

    public required IReadOnlyDictionary<string, int> Faults { get; init; }

    public required int FaultsMissed { get; init; }

    /// <summary>How long after its planned moment a fault began; null when there was none. Much more than a second: the machine had too much else to do.</summary>
    public required double? LateMsMedian { get; init; }

    public required double? LateMsMax { get; init; }

    /// <summary>Deaths of a leader by SIGKILL, with no other fault at the time, after which a write came through.</summary>
    public required int Failovers { get; init; }

    /// <summary>From the kill to the return of the first write that was called after it; null when there was none.</summary>
    public required double? FailoverMsMedian { get; init; }

    public required double? FailoverMsMax { get; init; }

    /// <summary>From the last fault's end until every client had 20 operations answered in a row; null when that was not so in time.</summary>
    public required double? QuietAfterMs { get; init; }

    /// <summary>Acknowledged writes that the reads at the end did not find.</summary>
    public required int Lost { get; init; }

    public required IReadOnlyList<ClusterViolation> Violations { get; init; }

    public required IReadOnlyList<string> Undecided { get; init; }

    public required IReadOnlyList<string> Findings { get; init; }

    public required double WallS { get; init; }

    /// <summary>Whether all held.</summary>
    public bool Holds => Verdict == "linearizable" && Lost == 0 && QuietAfterMs is not null && Findings.Count == 0;
}
