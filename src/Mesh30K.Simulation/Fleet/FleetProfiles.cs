using System.Reflection;
using System.Text;
using System.Text.Json;

using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// The shapes of delay of the simulated fleet, derived from recordings by <see cref="ProfileDerivation"/> and embedded in this assembly.
/// Every shape is a law in the form of <see cref="QuantileLaw"/>; shapes are ratios with a median of about 1, to which an agent's own
/// scale gives milliseconds. What stands behind each one is in docs/profiles.md. Immutable; safe on any thread.
/// </summary>
public sealed record FleetProfiles
{
    private const string Resource = "Mesh30K.Simulation.Fleet.profiles.json";
    private static readonly Lazy<FleetProfiles> EmbeddedOnce = new(ReadEmbedded);

    /// <summary>The profiles that come with this assembly.</summary>
    public static FleetProfiles Embedded => EmbeddedOnce.Value;

    /// <summary>One round trip as a ratio to the running median of its path.</summary>
    public required float[] NetworkRatio { get; init; }

    /// <summary>The median of one level of a path as a ratio to the median of the path.</summary>
    public required float[] PathLevel { get; init; }

    /// <summary>The absolute median round trip of a path in ms: the scale of class E.</summary>
    public required float[] PathRttMs { get; init; }

    /// <summary>The probability that the level of a path shifts after a send, in [0, 1].</summary>
    public required double ShiftRate { get; init; }

    /// <summary>The probability that a round trip is lost, in [0, 1].</summary>
    public required double LossRate { get; init; }

    /// <summary>One service time as a ratio to the agent's median, by class (indexed by <see cref="ImpedanceClass"/>).</summary>
    public required float[][] ServiceRatio { get; init; }

    /// <summary>The embedded form: one law a line, numbers with six significant digits.</summary>
    public string ToJson()
    {
        var text = new StringBuilder("{\n");
        text.Append("  \"shift_rate\": ").Append(ShiftRate.ToString("G6")).Append(",\n");
        text.Append("  \"loss_rate\": ").Append(LossRate.ToString("G6")).Append(",\n");
        AppendLaw(text, "network_ratio", NetworkRatio);
        AppendLaw(text, "path_level", PathLevel);
        AppendLaw(text, "path_rtt_ms", PathRttMs);
        foreach (ImpedanceClass c in ImpedanceClasses.All) AppendLaw(text, c.WireName(), ServiceRatio[(int)c]);
        text.Length -= 2;
        return text.Append("\n}\n").ToString();
    }

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static FleetProfiles FromJson(string json)
    {
        using var document = JsonDocument.Parse(json);
        JsonElement root = document.RootElement;
        return new FleetProfiles
        {
            ShiftRate = root.GetProperty("shift_rate").GetDouble(),
            LossRate = root.GetProperty("loss_rate").GetDouble(),
            NetworkRatio = Law(root, "network_ratio"),
            PathLevel = Law(root, "path_level"),
            PathRttMs = Law(root, "path_rtt_ms"),
            ServiceRatio = [.. ImpedanceClasses.All.Select(c => Law(root, c.WireName()))],
        };
    }

    private static void AppendLaw(StringBuilder text, string name, float[] law) =>
        text.Append("  \"").Append(name).Append("\": [").AppendJoin(", ", law.Select(v => v.ToString("G6"))).Append("],\n");

    private static float[] Law(JsonElement root, string name)
    {
        float[] law = [.. root.GetProperty(name).EnumerateArray().Select(e => e.GetSingle())];
        return law.Length == QuantileLaw.KnotCount
            ? law
            : throw new FleetInputException(Resource, 0, $"{law.Length} values in '{name}'", $"{QuantileLaw.KnotCount}");
    }

    private static FleetProfiles ReadEmbedded()
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)
            ?? throw new FleetInputException(Resource, 0, "not embedded in the assembly", "the resource that the project file names");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return FromJson(reader.ReadToEnd());
    }
}
