using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Api.Operations;

/// <summary>
/// Turns a request into the operation that the mesh runs: names into values, ids into places, defaults by the cascade's strategy. Everything
/// that is wrong goes on the list. Thread-safe.
/// </summary>
/// <param name="mesh">Where ids are looked up.</param>
/// <param name="defaults">What a request without a cascade, or with a wave, starts from.</param>
internal sealed class OperationRules(MeshHost mesh, OperationSpec defaults)
{
    private static readonly string[] Planners = ["fire-now", "learned", "oracle", "spec"];
    private static readonly PlannerKind[] PlannerKinds = [PlannerKind.FireNow, PlannerKind.Learned, PlannerKind.Oracle, PlannerKind.Spec];
    private static readonly string[] Classes = [.. ImpedanceClasses.All.Select(c => c.WireName())];

    private static readonly string[] ShortClasses = [.. Classes.Select(c => c["CLASS_A_".Length..].ToLowerInvariant())];

    /// <summary>The name of the planner that the operation is sent with: a broadcast goes at once, whatever was asked for.</summary>
    public static string PlannerOf(OperationSpec spec) =>
        Planners[Array.IndexOf(PlannerKinds, spec.Strategy == RoutingStrategy.Broadcast ? PlannerKind.FireNow : spec.Planner)];

    /// <summary>The operation. Valid only while <paramref name="errors"/> stays empty.</summary>
    public OperationSpec Apply(OperationRequest request, List<FieldProblem> errors)
    {
        CascadeStrategy? cascade = Named("cascade", request.Cascade, WireNames.CascadeStrategies, errors);
        OperationSpec start = StartOf(cascade);
        OperationSpec spec = start with
        {
            Verb = Named("verb", request.Verb, WireNames.Verbs, errors) ?? start.Verb,
            Payload = request.Payload?.GetRawText() ?? start.Payload,
            PayloadWeight = request.PayloadWeight ?? start.PayloadWeight,
            Strategy = Named("strategy", request.Strategy, WireNames.RoutingStrategies, errors) ?? start.Strategy,
            Selector = request.Selector is { } selector ? SelectorOf(selector, "selector", errors) : start.Selector,
            Stages = request.Stages?.Select((stage, i) => SelectorOf(stage, $"stages[{i}]", errors)).ToArray() ?? start.Stages,
            TargetInMs = request.TargetInMs ?? start.TargetInMs,
            WindowMs = request.WindowMs ?? start.WindowMs,
            TimeoutMs = request.TimeoutMs ?? start.TimeoutMs,
            TtlMs = request.TtlMs ?? start.TtlMs,
            Priority = PriorityOf(request.Priority, errors) ?? start.Priority,
            Thresholds = Thresholds(request, start.Thresholds),
            RequiredCapabilities = request.RequiredCapabilities ?? start.RequiredCapabilities,
            Planner = PlannerOf(request.Planner, errors) ?? start.Planner,
            LeadLevel = (float?)request.LeadLevel ?? start.LeadLevel,
            CollectAnswers = request.CollectAnswers ?? start.CollectAnswers,
        };
        if (request.RequiredCapabilities?.Contains("") is true) JsonFields.Add(errors, "required_capabilities", null, "must not hold an empty name");
        if (errors.Count == 0 && spec.Validate() is { } wrong) errors.Add(AsField(wrong));
        return spec;
    }

    /// <summary>Where an agent lives now; null when the mesh does not know it.</summary>
    public AgentPlace? PlaceOf(string id) => AgentId.IsValid(id) ? mesh.Registry.FindCell(new AgentId(id))?.Home.Place : null;

    /// <summary>Splits the core's sentence, which starts with the field's name where there is one.</summary>
    internal static FieldProblem AsField(string wrong)
    {
        int space = wrong.IndexOf(' ', StringComparison.Ordinal);
        string first = space < 0 ? wrong : wrong[..space];
        return first.Contains('_', StringComparison.Ordinal) || first is "sample"
            ? new FieldProblem(first is "sample" ? "selector.sample" : first, null, wrong[(space + 1)..])
            : new FieldProblem("operation", null, "cannot be run: " + wrong);
    }

    private OperationSpec StartOf(CascadeStrategy? cascade)
    {
        if (cascade is not { } strategy) return defaults;
        OperationSpec spec = CascadePhases.Defaults(strategy);
        if (strategy == CascadeStrategy.Parallel) return defaults with { Cascade = strategy, WindowMs = spec.WindowMs, Thresholds = spec.Thresholds };
        return defaults with { Cascade = strategy };
    }

    private static QuorumThresholds Thresholds(OperationRequest request, QuorumThresholds start) => new()
    {
        RequiredReadyRate = request.RequiredReadyRate ?? start.RequiredReadyRate,
        MaxConflictRate = request.MaxConflictRate ?? start.MaxConflictRate,
        MaxTransitRate = request.MaxTransitRate ?? start.MaxTransitRate,
    };

    private Selector SelectorOf(SelectorRequest request, string path, List<FieldProblem> errors)
    {
        if (request.Agents is not null && (request.Sector is not null || request.Cluster is not null))
            JsonFields.Add(errors, path + ".agents", null, "cannot be combined with sector or cluster: name the agents, or where they are");
        if (request.Cluster is not null && request.Sector is null)
            JsonFields.Add(errors, path + ".cluster", $"{request.Cluster}", "needs the sector beside it: clusters are numbered within their sector");
        MeshShape shape = mesh.Options.Settings.Shape;
        CheckRange(path + ".sector", request.Sector, shape.Sectors, errors);
        CheckRange(path + ".cluster", request.Cluster, shape.ClustersPerSector, errors);
        if (request.Capability is "") JsonFields.Add(errors, path + ".capability", null, "must not be empty; leave it out for all agents");
        if (request.Sample is <= 0) JsonFields.Add(errors, path + ".sample", $"{request.Sample}", "must be at least 1");
        Dictionary<AgentPlace, AgentId> named = request.Agents is { } ids ? PlacesOf(ids, path + ".agents", errors) : [];
        return new Selector
        {
            Scope = request.Agents is not null ? SelectorScope.Agents
                : request.Cluster is not null ? SelectorScope.Cluster
                : request.Sector is not null ? SelectorScope.Sector
                : SelectorScope.All,
            Sector = request.Sector ?? 0,
            Cluster = request.Cluster ?? 0,
            Places = [.. named.Keys],
            Ids = [.. named.Values],
            Class = ClassOf(request.Class, path + ".class", errors),
            Capability = request.Capability,
            SampleSize = request.Sample,
        };
    }

    private Dictionary<AgentPlace, AgentId> PlacesOf(IReadOnlyList<string> ids, string path, List<FieldProblem> errors)
    {
        if (ids.Count == 0) JsonFields.Add(errors, path, null, "must name at least one agent");
        Dictionary<AgentPlace, AgentId> places = [];
        foreach (string id in ids)
        {
            if (PlaceOf(id) is { } place) places[place] = new AgentId(id);
            else JsonFields.Add(errors, path, id, "names an agent that is not in the mesh");
        }
        return places;
    }

    /// <summary>A class by its name, letter or short name; null when absent, and an error when unknown.</summary>
    internal static ImpedanceClass? ClassOf(string? text, string field, List<FieldProblem> errors)
    {
        if (text is null) return null;
        if (ImpedanceClasses.TryParse(text, out ImpedanceClass known)) return known;
        JsonFields.Add(errors, field, text, Advice(text, Classes, ShortClasses));
        return null;
    }

    /// <summary>A value by its name on the wire; null when absent, and an error when unknown.</summary>
    internal static T? Named<T>(string field, string? text, WireNames<T> names, List<FieldProblem> errors)
        where T : struct, Enum
    {
        if (text is null) return null;
        if (names.TryParse(text, out T value)) return value;
        JsonFields.Add(errors, field, text, Advice(text, names.Names));
        return null;
    }

    private PlannerKind? PlannerOf(string? text, List<FieldProblem> errors)
    {
        if (text is null) return null;
        int index = Array.IndexOf(Planners, text);
        if (index >= 0 && (mesh.Options.Oracle is not null || PlannerKinds[index] != PlannerKind.Oracle)) return PlannerKinds[index];
        string advice = text is "oracle" ? "exists in simulations only; use learned, spec or fire-now" : Advice(text, Planners);
        JsonFields.Add(errors, "planner", text, advice);
        return null;
    }

    private static Priority? PriorityOf(int? priority, List<FieldProblem> errors)
    {
        if (priority is null or >= 0 and <= 3) return (Priority?)priority;
        JsonFields.Add(errors, "priority", $"{priority}", "must be 0 (background), 1, 2 or 3 (critical)");
        return null;
    }

    private static void CheckRange(string field, int? value, int count, List<FieldProblem> errors)
    {
        if (value is < 0 || value >= count) JsonFields.Add(errors, field, $"{value}", $"must be 0 to {count - 1}");
    }

    private static string Advice(string text, IReadOnlyList<string> names, IReadOnlyList<string>? alsoNear = null)
    {
        string list = "must be one of " + string.Join(", ", names);
        return Nearest.To(text, names.Concat(alsoNear ?? [])) is { } near ? $"{list} (did you mean {near}?)" : list;
    }
}
