using System.Net;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Config;

/// <summary>
/// What a fleet file (<c>fleet.yaml</c>) says, with defaults filled in and every value checked. The guide to it is docs/guide/fleet.md.
/// Paths are absolute: a relative path in the file starts at the file's folder.
/// </summary>
public sealed record FleetFile
{
    public required MeshShape Mesh { get; init; }

    public required FleetSettings Fleet { get; init; }

    public required ArrivalSettings Arrival { get; init; }

    public required QuorumSettings Quorum { get; init; }

    public required NodeSettings Node { get; init; }

    /// <summary>Rate budgets; empty by default.</summary>
    public required IReadOnlyList<RateBudget> Budgets { get; init; }

    /// <summary>What an empty file in <paramref name="folder"/> would say: the reference fleet of M 2.2.</summary>
    public static FleetFile DefaultFor(string folder) => Parse("", Path.Combine(folder, "fleet.yaml")).OrThrow();

    /// <summary>Reads and checks a file of at most 1 MiB.</summary>
    public static FleetFileResult Load(string path) => FleetFileParser.Load(path);

    /// <summary>Checks the text of a fleet file.</summary>
    /// <param name="text">YAML.</param>
    /// <param name="path">Where it came from: named in errors, and where relative paths start.</param>
    public static FleetFileResult Parse(string text, string path) => FleetFileParser.Parse(text, path);
}

/// <summary>The hierarchy: how many places for agents there are (M 2.1). Default 100 × 10 × 30.</summary>
/// <param name="Sectors">1 to 10,000; default 100.</param>
/// <param name="ClustersPerSector">1 to 1,000; default 10.</param>
/// <param name="AgentsPerCluster">1 to 10,000; default 30.</param>
public sealed record MeshShape(int Sectors, int ClustersPerSector, int AgentsPerCluster)
{
    /// <summary>How many agents the mesh has room for.</summary>
    public long Capacity => (long)Sectors * ClustersPerSector * AgentsPerCluster;
}

/// <summary>The simulated fleet of a demo, a simulation or a benchmark.</summary>
public sealed record FleetSettings
{
    /// <summary>From it follows all randomness; the same seed gives the same fleet. Default 1.</summary>
    public required ulong Seed { get; init; }

    /// <summary>How many agents of each class, indexed by <see cref="ImpedanceClass"/>. Default: the mesh is full, in the shares of M 2.2.</summary>
    public required IReadOnlyList<int> AgentsByClass { get; init; }

    /// <summary>Share of messages lost on the way, 0 to 1. Default 0.</summary>
    public required double LossRate { get; init; }

    /// <summary>Share of agents that are slow, 0 to 1. Default 0.</summary>
    public required double StragglerRate { get; init; }

    /// <summary>How many times slower a straggler is, 1 to 1,000. Default 5.</summary>
    public required double StragglerFactor { get; init; }

    /// <summary>Share of answers that are CONFLICT, 0 to 1. Default 0.</summary>
    public required double ConflictRate { get; init; }

    /// <summary>How unequal the two ways of a path are: 0 is half of the round trip each, 1 is all of it one way. Default 0.</summary>
    public required double PathAsymmetry { get; init; }

    /// <summary>Folder of recorded round-trip times that drive the network delay; null draws from the class's distribution.</summary>
    public required string? NetworkTrace { get; init; }

    /// <summary>Recorded service times; null draws from the class's distribution.</summary>
    public required ServiceTrace? ServiceTrace { get; init; }

    public int AgentsTotal => AgentsByClass.Sum();
}

/// <summary>A column of a CSV file as service times.</summary>
/// <param name="File">The CSV file, with a header row.</param>
/// <param name="Column">The column that holds milliseconds.</param>
/// <param name="Group">The column by which rows belong to one agent, such as the model; null when all rows are alike.</param>
public sealed record ServiceTrace(string File, string Column, string? Group);

/// <summary>How sends are planned.</summary>
public enum PlannerKind
{
    /// <summary>To all at once.</summary>
    FireNow,

    /// <summary>By the formulas of M 3.1.</summary>
    Spec,

    /// <summary>By the learned quantiles of each agent.</summary>
    Learned,
}

/// <summary>How an operation aims at its moment T.</summary>
public sealed record ArrivalSettings
{
    /// <summary>An arrival within this of T is a hit, in ms, above 0. Default 500 (M 3.2). Larger forgives more and synchronises less.</summary>
    public required double WindowMs { get; init; }

    /// <summary>How long an operation waits for acks, in ms, at least the window. Default 5,000 (M 3.2).</summary>
    public required double TimeoutMs { get; init; }

    /// <summary>Default <see cref="PlannerKind.Learned"/>.</summary>
    public required PlannerKind Planner { get; init; }

    /// <summary>The quantile of an agent's delay that is its lead, 0.5 to 0.9999. Default 0.98. Larger: fewer late agents, more that wait for T.</summary>
    public required double LeadLevel { get; init; }

    /// <summary>Added to every lead for the mesh's own work, in ms, 0 or more. Default 40. Larger: T moves later.</summary>
    public required double DispatchMarginMs { get; init; }

    /// <summary>Sends due in the same span of this many ms go out together. Default 1 (M 3.2 has 10). Larger: fewer wake-ups, more spread.</summary>
    public required double BucketMs { get; init; }
}

/// <summary>When the trinary quorum says PROCEED (M 5.2). Rates are shares of what was sent.</summary>
/// <param name="RequiredReadyRate">Least share of READY. Default 0.95.</param>
/// <param name="MaxConflictRate">Most share of CONFLICT. Default 0.05.</param>
/// <param name="MaxTransitRate">Most share still in TRANSIT. Default 0.10.</param>
public sealed record QuorumSettings(double RequiredReadyRate, double MaxConflictRate, double MaxTransitRate);

/// <summary>The node that this machine runs.</summary>
/// <param name="Listen">Where agents and operators reach it. Default 127.0.0.1:7300; port 0 takes any free one.</param>
/// <param name="Loops">How many event loops, 1 to 256; null means min(cores, 4).</param>
/// <param name="DataDirectory">Where the journal and the keys live. Default <c>.mesh</c>.</param>
public sealed record NodeSettings(IPEndPoint Listen, int? Loops, string DataDirectory);

/// <summary>A limit that a group of agents shares, such as a provider's. Exactly one of the two rates and one of the two groups is set.</summary>
public sealed record RateBudget
{
    /// <summary>1 to 64 characters, unique in the file.</summary>
    public required string Name { get; init; }

    /// <summary>The class that it binds; null when it binds a capability.</summary>
    public required ImpedanceClass? Class { get; init; }

    /// <summary>The capability that it binds; null when it binds a class.</summary>
    public required string? Capability { get; init; }

    /// <summary>Requests per second, above 0; null when the budget counts tokens.</summary>
    public required double? RequestsPerSecond { get; init; }

    /// <summary>Tokens per minute, above 0; null when the budget counts requests.</summary>
    public required double? TokensPerMinute { get; init; }

    /// <summary>How much may go at once after a pause, in requests or tokens, at least 1. Default 1.</summary>
    public required double Burst { get; init; }
}
