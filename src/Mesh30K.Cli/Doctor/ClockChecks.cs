using System.Diagnostics;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Doctor;

/// <summary>How well this machine keeps time: how late a timed wait wakes up, and whether the clock only goes forward.</summary>
public static class ClockChecks
{
    private const int Samples = 40;
    private const double WaitMs = 2;
    private const double GoodP95Ms = 1;

    /// <summary>Measures how late the node's own sleep of 2 ms ends, on a thread of its own. Takes about 0.1 s.</summary>
    public static Finding Timer()
    {
        const string name = "timer";
        double[] lateMs = new double[Samples];
        Thread thread = new(() => Measure(lateMs)) { IsBackground = true, Name = "doctor-timer" };
        thread.Start();
        thread.Join();
        Array.Sort(lateMs);
        double p50 = lateMs[Samples / 2];
        double p95 = lateMs[Samples * 95 / 100];
        string detail = $"the node's sleep wakes {p50:0.000} ms late at p50, {p95:0.000} ms at p95";
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

    private static void Measure(double[] lateMs)
    {
        MeshClock clock = new();
        for (int i = 0; i < lateMs.Length; i++)
        {
            Instant due = clock.Now.PlusMs(WaitMs);
            PreciseSleep.Until(clock, due);
            lateMs[i] = clock.Now.MsSince(due);
        }
    }
}
