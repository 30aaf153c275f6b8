using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Cascades;

/// <summary>Where an operation's agents are looked for, before filters.</summary>
public enum SelectorScope : byte
{
    /// <summary>The whole mesh.</summary>
    All,

    /// <summary>One sector.</summary>
    Sector,

    /// <summary>One cluster.</summary>
    Cluster,

    /// <summary>The agents that are named.</summary>
    Agents,
}

/// <summary>Which agents an operation is for: a scope, narrowed by class and capability, and a sample of what is left. Immutable.</summary>
public sealed record Selector
{
    public static readonly Selector Everyone = new();

    public SelectorScope Scope { get; init; } = SelectorScope.All;

    /// <summary>The sector of scope sector and cluster, from 0.</summary>
    public int Sector { get; init; }

    /// <summary>The cluster of scope cluster, from 0 within its sector.</summary>
    public int Cluster { get; init; }

    /// <summary>The places of scope agents, looked up when the operation was submitted.</summary>
    public IReadOnlyList<AgentPlace> Places { get; init; } = [];

    /// <summary>Who was at each of <see cref="Places"/> then, in the same order: a place whose agent has left since is not meant, whoever has it now. Empty when agents do not leave.</summary>
    public IReadOnlyList<AgentId> Ids { get; init; } = [];

    /// <summary>Only agents of this class; null for all.</summary>
    public ImpedanceClass? Class { get; init; }

    /// <summary>Only agents with this capability; null for all.</summary>
    public string? Capability { get; init; }

    /// <summary>How many of the matching agents to pick; null for all of them.</summary>
    public int? SampleSize { get; init; }

    public bool CoversSector(int sector) => Scope switch
    {
        SelectorScope.All => true,
        SelectorScope.Agents => Places.Any(p => p.Cluster.Sector == sector),
        _ => Sector == sector,
    };

    public bool CoversCluster(ClusterAddress at) => Scope switch
    {
        SelectorScope.All => true,
        SelectorScope.Agents => Places.Any(p => p.Cluster.Index == at.Index),
        SelectorScope.Sector => Sector == at.Sector,
        _ => Sector == at.Sector && Cluster == at.Cluster,
    };
}

/// <summary>An operation as it is submitted (design section 4). Immutable; <see cref="Validate"/> says what is wrong with it.</summary>
public sealed record OperationSpec
{
    public Verb Verb { get; init; } = Verb.Sync;

    /// <summary>The content for the agents, JSON text; at most 1 MiB.</summary>
    public string Payload { get; init; } = "null";

    /// <summary>Complexity of the payload, 0 to 1000, 1 for the standard payload (M 2.4).</summary>
    public double PayloadWeight { get; init; } = 1;

    public Selector Selector { get; init; } = Selector.Everyone;

    public RoutingStrategy Strategy { get; init; } = RoutingStrategy.ScatterGather;

    /// <summary>How to go over the whole mesh; null for an operation that is not a cascade.</summary>
    public CascadeStrategy? Cascade { get; init; }

    /// <summary>The selectors of a pipeline's stages, in order; each stage takes the first answer of the one before as its payload.</summary>
    public IReadOnlyList<Selector> Stages { get; init; } = [];

    /// <summary>How long after the submission T lies, in ms; null to let the orchestrator choose.</summary>
    public double? TargetInMs { get; init; }

    /// <summary>Arrival window in ms, above 0: arrivals within ± this around T are hits, and acks are gathered until T + window. Default 500.</summary>
    public double WindowMs { get; init; } = 500;

    /// <summary>The longest the operation may take in ms, default 5,000; bounds T + window of each phase.</summary>
    public double TimeoutMs { get; init; } = 5_000;

    /// <summary>Time to live in ms: a send that has not left by then is dropped. Default 60,000.</summary>
    public double TtlMs { get; init; } = 60_000;

    public Priority Priority { get; init; } = Priority.High;

    public QuorumThresholds Thresholds { get; init; } = new();

    public IReadOnlyList<string> RequiredCapabilities { get; init; } = [];

    public PlannerKind Planner { get; init; } = PlannerKind.Learned;

    /// <summary>
    /// The wanted share of the agents READY at T, in [0.5, 1). Default 0.975: losses, conflicts and errors of estimation take their part, so
    /// aiming at the required 0.95 itself would miss it half of the time. How it is divided among the agents: <see cref="MissBudget"/>.
    /// </summary>
    public float LeadLevel { get; init; } = 0.975f;

    /// <summary>Bring the agents' answers back (at most <see cref="GatherReport.AnswersMax"/>).</summary>
    public bool CollectAnswers { get; init; }

    /// <summary>What is wrong with this operation, or null.</summary>
    public string? Validate() =>
        !(WindowMs is > 0 and <= 3_600_000) ? $"window_ms must be above 0 and at most 3600000, was {WindowMs}"
        : !(TimeoutMs is > 0 and <= 86_400_000) ? $"timeout_ms must be above 0 and at most 86400000, was {TimeoutMs}"
        : TimeoutMs < WindowMs ? $"timeout_ms must be at least window_ms ({WindowMs}), was {TimeoutMs}"
        : !(TtlMs is > 0 and <= 86_400_000) ? $"ttl_ms must be above 0 and at most 86400000, was {TtlMs}"
        : TargetInMs is { } t && !(t >= 0 && t + WindowMs <= TimeoutMs) ? $"target_in_ms must be between 0 and timeout_ms - window_ms ({TimeoutMs - WindowMs}), was {t}"
        : !(PayloadWeight is >= 0 and <= 1_000) ? $"payload_weight must be between 0 and 1000, was {PayloadWeight}"
        : !(LeadLevel is >= 0.5f and < 1) ? $"lead_level must be at least 0.5 and below 1, was {LeadLevel}"
        : Selector.SampleSize is <= 0 ? $"sample must be at least 1, was {Selector.SampleSize}"
        : Stages.FirstOrDefault(s => s.SampleSize is <= 0) is { } stage ? $"sample must be at least 1, was {stage.SampleSize}"
        : Cascade == CascadeStrategy.PriorityFirst && Selector.SampleSize is not null ? "a priority-first cascade takes whole classes; leave sample out"
        : Strategy == RoutingStrategy.Pipeline && Stages.Count == 0 ? "a pipeline needs at least one stage"
        : Strategy != RoutingStrategy.Pipeline && Stages.Count > 0 ? "stages belong to the strategy pipeline"
        : Strategy == RoutingStrategy.Direct && Selector.Scope != SelectorScope.Agents ? "the strategy direct needs the ids of the agents"
        : Cascade is not null && Strategy != RoutingStrategy.ScatterGather ? "a cascade is a scatter-gather over the whole mesh; leave the strategy out"
        : Cascade is not null && Selector.Scope != SelectorScope.All ? "a cascade goes over the whole mesh; leave sector, cluster and ids out"
        : Payload.Length > 1 << 20 ? "the payload is larger than 1 MiB"
        : Thresholds.Validate();
}
