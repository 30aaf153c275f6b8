namespace Mesh30K.Protocol.Identity;

/// <summary>Names and figures of the impedance classes (M 2.2, M 3.1), in the order of the enum.</summary>
public static class ImpedanceClasses
{
    public const int Count = 6;

    private static readonly string[] WireNames =
        ["CLASS_A_EDGE", "CLASS_B_SERVERLESS", "CLASS_C_PERSISTENT", "CLASS_D_GPU", "CLASS_E_LOCAL", "CLASS_F_HUMAN"];

    private static readonly float[] BaseProcessing = [10, 50, 200, 100, 150, 60_000];

    private static readonly int[] Allocation = [10_000, 8_000, 5_000, 2_000, 3_000, 2_000];

    public static IReadOnlyList<ImpedanceClass> All { get; } =
        [ImpedanceClass.Edge, ImpedanceClass.Serverless, ImpedanceClass.Persistent, ImpedanceClass.Gpu, ImpedanceClass.Local, ImpedanceClass.Human];

    public static string WireName(this ImpedanceClass c) => WireNames[(int)c];

    /// <summary>Base processing time in ms of the spec's formula (M 3.1), used before any sample.</summary>
    public static float BaseProcessingMs(this ImpedanceClass c) => BaseProcessing[(int)c];

    /// <summary>How many of the 30,000 agents of the reference fleet are of this class (M 2.2).</summary>
    public static int ReferenceCount(this ImpedanceClass c) => Allocation[(int)c];

    /// <summary>Parses a wire name (<c>CLASS_D_GPU</c>), a letter (<c>D</c>) or a short name (<c>gpu</c>), without regard to case.</summary>
    public static bool TryParse(string? text, out ImpedanceClass result)
    {
        foreach (ImpedanceClass c in All)
        {
            string wire = c.WireName();
            if (string.Equals(text, wire, StringComparison.OrdinalIgnoreCase)
                || string.Equals(text, wire[8..], StringComparison.OrdinalIgnoreCase)
                || string.Equals(text, wire[6..7], StringComparison.OrdinalIgnoreCase))
            {
                result = c;
                return true;
            }
        }
        result = default;
        return false;
    }
}
