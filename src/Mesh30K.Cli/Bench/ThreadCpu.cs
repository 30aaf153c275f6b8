using System.Globalization;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// Processor time of threads by their name, from <c>/proc/self/task/*/schedstat</c>: nanoseconds really run, which time lost to other
/// processes does not lengthen. Linux only.
/// </summary>
internal static class ThreadCpu
{
    private const string Tasks = "/proc/self/task";
    private const int NameCharsMax = 15;

    public static bool IsSupported => OperatingSystem.IsLinux() && File.Exists("/proc/self/schedstat");

    /// <summary>Milliseconds that the threads whose name begins with <paramref name="prefix"/> have run; 0 where it cannot be told.</summary>
    public static double Ms(string prefix)
    {
        if (!IsSupported) return 0;
        string wanted = prefix.Length > NameCharsMax ? prefix[..NameCharsMax] : prefix;
        double ms = 0;
        foreach (string task in Directory.EnumerateDirectories(Tasks))
        {
            try
            {
                if (!File.ReadAllText(Path.Combine(task, "comm")).StartsWith(wanted, StringComparison.Ordinal)) continue;
                string[] words = File.ReadAllText(Path.Combine(task, "schedstat")).Split(' ');
                ms += long.Parse(words[0], CultureInfo.InvariantCulture) / 1e6;
            }
            catch (IOException)
            {
                // A thread that ended while we looked.
            }
        }
        return ms;
    }
}
