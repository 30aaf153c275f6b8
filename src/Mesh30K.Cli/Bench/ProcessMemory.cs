using System.Diagnostics;
using System.Globalization;

namespace Mesh30K.Cli.Bench;

/// <summary>What this process takes of the machine's memory.</summary>
internal static class ProcessMemory
{
    private const string Status = "/proc/self/status";

    /// <summary>
    /// The most memory that was ever resident, in MiB: <c>VmHWM</c> on Linux, the peak working set elsewhere. Of the whole life of the process, so
    /// it never falls.
    /// </summary>
    public static double PeakResidentMb()
    {
        if (OperatingSystem.IsLinux() && File.Exists(Status))
        {
            string? line = File.ReadLines(Status).FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            string[] words = line?.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) ?? [];
            if (words.Length >= 2 && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out long kb)) return Math.Round(kb / 1024.0, 1);
        }
        using Process self = Process.GetCurrentProcess();
        return Math.Round(self.PeakWorkingSet64 / (1024.0 * 1024.0), 1);
    }
}
