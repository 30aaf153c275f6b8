using System.Text.Json;

namespace Mesh30K.Node.Api.Operations;

/// <summary>
/// An operation as a client submits it, in JSON with snake_case names. Every field may be left out; docs/guide/operations.md gives units and
/// defaults. What is written here is checked by <see cref="OperationRules"/>, not by this record.
/// </summary>
public sealed record OperationRequest
{
    /// <summary>observe, orient, decide, act, record or sync.</summary>
    public string? Verb { get; init; }

    /// <summary>Any JSON value, at most 1 MiB as text.</summary>
    public JsonElement? Payload { get; init; }

    /// <summary>0 to 1000; 1 is the standard payload.</summary>
    public double? PayloadWeight { get; init; }

    /// <summary>direct, broadcast, scatter-gather or pipeline.</summary>
    public string? Strategy { get; init; }

    /// <summary>wave, parallel or priority-first.</summary>
    public string? Cascade { get; init; }

    public SelectorRequest? Selector { get; init; }

    /// <summary>The stages of a pipeline, at most 32.</summary>
    public IReadOnlyList<SelectorRequest>? Stages { get; init; }

    /// <summary>When all are to be READY, in ms after the submission.</summary>
    public double? TargetInMs { get; init; }

    public double? WindowMs { get; init; }

    public double? TimeoutMs { get; init; }

    public double? TtlMs { get; init; }

    /// <summary>0 (background) to 3 (critical).</summary>
    public int? Priority { get; init; }

    public double? RequiredReadyRate { get; init; }

    public double? MaxConflictRate { get; init; }

    public double? MaxTransitRate { get; init; }

    public IReadOnlyList<string>? RequiredCapabilities { get; init; }

    /// <summary>learned, spec, fire-now; oracle in simulations.</summary>
    public string? Planner { get; init; }

    /// <summary>The wanted probability of READY at the target, 0.5 to below 1.</summary>
    public double? LeadLevel { get; init; }

    public bool? CollectAnswers { get; init; }
}

/// <summary>Which agents an operation is for. Nothing given means all.</summary>
public sealed record SelectorRequest
{
    /// <summary>A sector's number, from 0.</summary>
    public int? Sector { get; init; }

    /// <summary>A cluster's number in its sector, from 0; needs <see cref="Sector"/>.</summary>
    public int? Cluster { get; init; }

    /// <summary>CLASS_D_GPU, or its letter, or its short name.</summary>
    public string? Class { get; init; }

    public string? Capability { get; init; }

    /// <summary>How many of those that match, at least 1.</summary>
    public int? Sample { get; init; }

    /// <summary>The ids of the agents.</summary>
    public IReadOnlyList<string>? Agents { get; init; }
}

/// <summary>Reads an <see cref="OperationRequest"/> from JSON: the types of its fields, and no field that is unknown.</summary>
internal static class OperationRequestReader
{
    private const int StagesMax = 32;

    private static readonly string[] Fields =
    [
        "verb", "payload", "payload_weight", "strategy", "cascade", "selector", "stages", "target_in_ms", "window_ms", "timeout_ms", "ttl_ms",
        "priority", "required_ready_rate", "max_conflict_rate", "max_transit_rate", "required_capabilities", "planner", "lead_level", "collect_answers",
    ];

    private static readonly string[] SelectorFields = ["sector", "cluster", "class", "capability", "sample", "agents"];

    /// <summary>What could be read; what could not is on the list.</summary>
    public static OperationRequest Read(JsonElement body, List<FieldProblem> errors)
    {
        if (JsonFields.Of(body, "", errors, Fields) is not { } fields) return new OperationRequest();
        return new OperationRequest
        {
            Verb = fields.Text("verb"),
            Payload = fields.Raw("payload"),
            PayloadWeight = fields.Number("payload_weight"),
            Strategy = fields.Text("strategy"),
            Cascade = fields.Text("cascade"),
            Selector = fields.Object("selector", SelectorFields) is { } selector ? Selector(selector) : null,
            Stages = fields.Objects("stages", StagesMax, SelectorFields)?.Select(Selector).ToArray(),
            TargetInMs = fields.Number("target_in_ms"),
            WindowMs = fields.Number("window_ms"),
            TimeoutMs = fields.Number("timeout_ms"),
            TtlMs = fields.Number("ttl_ms"),
            Priority = fields.Integer("priority"),
            RequiredReadyRate = fields.Number("required_ready_rate"),
            MaxConflictRate = fields.Number("max_conflict_rate"),
            MaxTransitRate = fields.Number("max_transit_rate"),
            RequiredCapabilities = fields.Texts("required_capabilities"),
            Planner = fields.Text("planner"),
            LeadLevel = fields.Number("lead_level"),
            CollectAnswers = fields.Flag("collect_answers"),
        };
    }

    private static SelectorRequest Selector(JsonFields fields) => new()
    {
        Sector = fields.Integer("sector"),
        Cluster = fields.Integer("cluster"),
        Class = fields.Text("class"),
        Capability = fields.Text("capability"),
        Sample = fields.Integer("sample"),
        Agents = fields.Texts("agents"),
    };
}
