using System.ComponentModel;
using System.Diagnostics;

namespace Mesh30K.Node.Runtime;

/// <summary>Ends processes that this one started. Stateless.</summary>
public static class ChildProcess
{
    private const int Terminate = 15;

    /// <summary>Asks it to end by itself (SIGTERM); where that cannot be said, nothing happens. It may have ended already.</summary>
    public static void AskToEnd(Process process)
    {
        ArgumentNullException.ThrowIfNull(process);
        if (LinuxNative.IsSupported && !process.HasExited) _ = LinuxNative.Kill(process.Id, Terminate);
    }

    /// <summary>Ends it and all that it started (SIGKILL). It may have ended already.</summary>
    public static void End(Process process)
    {
        ArgumentNullException.ThrowIfNull(process);
        try
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
        catch (Exception gone) when (gone is InvalidOperationException or Win32Exception)
        {
            // It ended meanwhile.
        }
    }
}
