using System.Globalization;

namespace Mesh30K.Node.Links;

/// <summary>What the system lets this process have.</summary>
public static class ProcessLimits
{
    /// <summary>Connections of HTTP clients beside those of agents.</summary>
    public const int HttpConnections = 256;

    /// <summary>The limit of open files in force (the runtime raises the soft one to the hard one at its start); null where the system does not tell.</summary>
    public static long? OpenFiles()
    {
        const string limits = "/proc/self/limits";
        if (!File.Exists(limits)) return null;
        string? line = File.ReadLines(limits).FirstOrDefault(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        string[] fields = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        if (fields.Length < 5) return null;
        if (fields[3] == "unlimited") return long.MaxValue;
        return long.TryParse(fields[3], CultureInfo.InvariantCulture, out long soft) ? soft : null;
    }

    /// <summary>How many agents may connect: as many as wanted, or what the open files leave beside <see cref="AgentLinkOptions.FilesReserved"/>; at least 1.</summary>
    public static int ConnectionsWithin(int wanted, long? openFiles) =>
        openFiles is { } limit ? (int)Math.Clamp(limit - AgentLinkOptions.FilesReserved, 1, wanted) : wanted;
}
