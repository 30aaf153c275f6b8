using System.Diagnostics;

namespace Mesh30K.Cli.Verify;

/// <summary>How a run starts this very program again, as a process of its own.</summary>
internal static class MeshProcess
{
    /// <summary>What starts <c>mesh</c> with these arguments, output and error redirected. The caller starts it, and ends it.</summary>
    public static ProcessStartInfo Of(params string[] arguments)
    {
        string own = Environment.ProcessPath ?? "";
        string library = typeof(MeshProcess).Assembly.Location;
        bool isMesh = Path.GetFileNameWithoutExtension(own) == Path.GetFileNameWithoutExtension(library);
        ProcessStartInfo start = new(isMesh ? own : "dotnet") { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        if (!isMesh) start.ArgumentList.Add(library);
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["DOTNET_TieredPGO"] = "0"; // a process that lives for seconds does not get its cost back
        return start;
    }

    /// <summary>Starts it.</summary>
    public static Process Start(params string[] arguments) => Process.Start(Of(arguments))!;
}
