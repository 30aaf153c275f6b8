using Mesh30K.Coordination.Arrival;

namespace Mesh30K.Cli.Fleet;

/// <summary>The planners as people type them.</summary>
internal static class PlannerNames
{
    private static readonly (PlannerKind Kind, string Name)[] All =
    [
        (PlannerKind.Learned, "learned"), (PlannerKind.Spec, "spec"), (PlannerKind.FireNow, "fire-now"), (PlannerKind.Oracle, "oracle"),
    ];

    public static string Of(PlannerKind kind) => Array.Find(All, p => p.Kind == kind).Name;

    public static IEnumerable<string> Names => All.Select(p => p.Name);

    public static PlannerKind? Parse(string name)
    {
        foreach ((PlannerKind kind, string known) in All)
            if (known == name) return kind;
        return null;
    }
}
