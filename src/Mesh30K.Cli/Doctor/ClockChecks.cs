using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Mesh30K.Cli.Doctor;

/// <summary>How well this machine keeps time: how late a timed wait wakes up, and whether the clock only goes forward.</summary>
public static partial class ClockChecks
{
    private const int Samples = 40;
    private const double WaitMs = 2;
    private const double GoodP95Ms = 1;
    private const int ClockMonotonic = 1;
    private const int AbsoluteTime = 1;
    private const int SetTimerSlack = 29;

    /// <summary>Measures how late waits of 2 ms end, on a thread of its own. Takes about 0.1 s.</summary>
    public static Finding Timer()
    {
        const string name = "timer";
        bool absolute = OperatingSystem.IsLinux();
        double[] lateMs = new double[Samples];
        Thread thread = new(() => Measure(lateMs, absolute)) { IsBackground = true, Name = "doctor-timer" };
        thread.Start();
        thread.Join();
        Array.Sort(lateMs);
        double p50 = lateMs[Samples / 2];
        double p95 = lateMs[Samples * 95 / 100];
        string detail = $"{(absolute ? "absolute nanosleep" : "Thread.Sleep")} wakes {p50:0.000} ms late at p50, {p95:0.000} ms at p95";
        return p95 <= GoodP95Ms
            ? Finding.Ok(name, detail)
            : Finding.Warn(name, detail, "Sends will leave late by this much. Check for a loaded machine, a CPU limit, or a power-saving governor.");
    }

    /// <summary>Reads the clock many times; it must never go back.</summary>
    public static Finding Monotonic()
    {
        const string name = "clock";
        const int reads = 200_000;
        long before = Stopwatch.GetTimestamp();
        for (int i = 0; i < reads; i++)
        {
            long now = Stopwatch.GetTimestamp();
            if (now < before) return Finding.Fail(name, $"went back by {before - now} ticks", "The machine's clock source is broken; choose another one in the kernel.");
            before = now;
        }
        return Stopwatch.IsHighResolution
            ? Finding.Ok(name, $"monotonic over {reads} reads, {1e9 / Stopwatch.Frequency:0} ns a tick")
            : Finding.Warn(name, "no high-resolution clock", "Arrival times are measured coarsely on this machine.");
    }

    private static void Measure(double[] lateMs, bool absolute)
    {
        if (absolute) _ = prctl(SetTimerSlack, 1, 0, 0, 0);
        long wait = (long)(WaitMs * Stopwatch.Frequency / 1000);
        for (int i = 0; i < lateMs.Length; i++)
        {
            long due = Stopwatch.GetTimestamp() + wait;
            if (absolute) SleepUntil(due);
            else Thread.Sleep((int)WaitMs);
            lateMs[i] = (Stopwatch.GetTimestamp() - due) * 1000.0 / Stopwatch.Frequency;
        }
    }

    /// <summary>On Linux a stopwatch tick is a nanosecond of CLOCK_MONOTONIC, so its timestamp is the time to wake up at.</summary>
    private static void SleepUntil(long dueNs)
    {
        TimeSpec due = new(dueNs / 1_000_000_000, dueNs % 1_000_000_000);
        _ = clock_nanosleep(ClockMonotonic, AbsoluteTime, due, 0);
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int clock_nanosleep(int clock, int flags, in TimeSpec request, nint remain);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int prctl(int option, nuint a, nuint b, nuint c, nuint d);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct TimeSpec(long seconds, long nanoseconds)
    {
        public readonly nint Seconds = (nint)seconds;
        public readonly nint Nanoseconds = (nint)nanoseconds;
    }
}
