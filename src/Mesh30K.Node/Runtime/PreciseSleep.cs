using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Runtime;

/// <summary>
/// Waits until a moment of the mesh's clock, far closer than managed timers do: an absolute <c>clock_nanosleep</c> with the thread's timer slack
/// at 1 ns (late by ~0.05 ms), then a spin for the rest. An absolute sleep cannot add up delays, nor be lengthened by signals.
/// Elsewhere than 64-bit Linux, and by another clock than the system's: managed sleeps to 2 ms before, then a yielding spin.
/// Blocks the calling thread: only for dedicated threads. Thread-safe; holds no state but the thread's own.
/// </summary>
public static class PreciseSleep
{
    [ThreadStatic]
    private static bool s_prepared;

    /// <summary>Sleeps until <paramref name="at"/> without spinning; returns at once when it is past. Never returns before it.</summary>
    public static void Until(MeshClock clock, Instant at)
    {
        ArgumentNullException.ThrowIfNull(clock);
        if (!LinuxNative.IsSupported || !clock.IsOfSystem)
        {
            ManagedUntil(clock, at);
            return;
        }

        if (!s_prepared)
        {
            s_prepared = true;
            _ = LinuxNative.TrySetTimerSlackOfThisThread();
        }

        long ns = clock.ToMonotonicNs(at);
        var until = new LinuxNative.TimeSpec { Seconds = ns / 1_000_000_000, Nanoseconds = ns % 1_000_000_000 };
        int error;
        do
        {
            error = LinuxNative.ClockNanosleep(LinuxNative.ClockMonotonic, LinuxNative.TimerAbsolute, in until, IntPtr.Zero);
        }
        while (error == LinuxNative.Interrupted);
        if (error != 0) throw new InvalidOperationException($"clock_nanosleep failed with error {error}: the kernel refused a monotonic sleep");
    }

    /// <summary>Sleeps until <paramref name="spin"/> before <paramref name="at"/>, then spins. Never returns before <paramref name="at"/>.</summary>
    /// <param name="clock">The clock of <paramref name="at"/>.</param>
    /// <param name="at">The moment to return at; a past one returns at once.</param>
    /// <param name="spin">How long before the moment to stop sleeping. Larger costs that much of a core for each call.</param>
    public static void Until(MeshClock clock, Instant at, TimeSpan spin)
    {
        ArgumentNullException.ThrowIfNull(clock);
        if (clock.Now < at - spin) Until(clock, at - spin);
        while (clock.Now < at) Thread.SpinWait(8);
    }

    private static void ManagedUntil(MeshClock clock, Instant at)
    {
        while (at.MsSince(clock.Now) is > 3 and var aheadMs) Thread.Sleep((int)Math.Min(aheadMs - 2, int.MaxValue));
        while (clock.Now < at) Thread.Yield();
    }
}
