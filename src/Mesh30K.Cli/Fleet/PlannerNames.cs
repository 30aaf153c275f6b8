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
}
