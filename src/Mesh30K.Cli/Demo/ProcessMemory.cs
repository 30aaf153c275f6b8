using System.Diagnostics;
using System.Globalization;

namespace Mesh30K.Cli.Demo;

/// <summary>This process's resident memory in MB (10^6 bytes), as the system counts it.</summary>
internal static class ProcessMemory
{
    public static double ResidentMb()
    {
        using Process self = Process.GetCurrentProcess();
        return Math.Round(self.WorkingSet64 / 1e6, 1);
    }

    /// <summary>The most that was ever resident: VmHWM on Linux.</summary>
    public static double PeakResidentMb()
    {
        if (OperatingSystem.IsLinux())
        {
            foreach (string line in File.ReadLines("/proc/self/status"))
            {
                if (!line.StartsWith("VmHWM:", StringComparison.Ordinal)) continue;
                return Math.Round(double.Parse(line[6..^2], CultureInfo.InvariantCulture) * 1024 / 1e6, 1);
            }
        }
        using Process self = Process.GetCurrentProcess();
        return Math.Round(self.PeakWorkingSet64 / 1e6, 1);
    }
}
