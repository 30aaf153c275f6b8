using System.Diagnostics;

namespace Mesh30K.Cli.Verify;

/// <summary>Starts this very mesh in another process, with stdout and stderr to be read.</summary>
internal static class MeshProcess
{
    public static Process Start(params string[] args)
    {
        string own = Environment.ProcessPath ?? "";
        string library = typeof(MeshProcess).Assembly.Location;
        bool isMesh = Path.GetFileNameWithoutExtension(own) == Path.GetFileNameWithoutExtension(library);
        ProcessStartInfo start = new(isMesh ? own : "dotnet") { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        if (!isMesh) start.ArgumentList.Add(library);
        foreach (string arg in args) start.ArgumentList.Add(arg);
        start.Environment["DOTNET_TieredPGO"] = "0";
        return Process.Start(start)!;
    }
}
