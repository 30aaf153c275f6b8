using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Mesh30K.Cli.Tests.Agents;

/// <summary>An example agent in a process of its own, started by the very lines of its README. Disposed, it is dead.</summary>
internal sealed class ExampleAgent : IDisposable
{
    internal static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private ExampleAgent(Process process)
    {
        _process = process;
        foreach (StreamReader reader in (StreamReader[])[process.StandardOutput, process.StandardError]) _ = ReadAsync(reader);
    }

    private string Output
    {
        get
        {
            lock (_output) return _output.ToString();
        }
    }

    /// <summary>The example's folder beside the tests: a copy of examples/agents.</summary>
    internal static string Source(string example) => Path.Combine(AppContext.BaseDirectory, "examples", example);

    /// <summary>The lines that a README tells to type: those of its first block.</summary>
    internal static string[] ReadmeLines(string example)
    {
        string[] lines = File.ReadAllLines(Path.Combine(Source(example), "README.md"));
        return [.. lines.SkipWhile(line => line != "```sh").Skip(1).TakeWhile(line => line != "```")];
    }

    /// <summary>A copy of the example below the node's folder, where `mesh agent enrol` finds the node.</summary>
    internal static string CopyTo(RunningNode node, string example)
    {
        string folder = Path.Combine(node.Folder.FullName, example);
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(Source(example))) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        return folder;
    }

    /// <summary>Runs lines of shell in a folder, with `mesh` on the path and the node named.</summary>
    internal static ExampleAgent Start(RunningNode node, string folder, params string[] lines)
    {
        string mesh = Path.Combine(node.Folder.FullName, "mesh");
        if (!File.Exists(mesh))
        {
            node.Folder.Write("mesh", $"#!/bin/sh\nexec dotnet '{Path.Combine(AppContext.BaseDirectory, "mesh.dll")}' \"$@\"\n");
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(mesh, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        ProcessStartInfo start = new("sh", ["-euc", string.Join('\n', lines)]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        start.Environment["PATH"] = node.Folder.FullName + ":" + start.Environment["PATH"];
        start.Environment["MESH_NODE"] = node.Address;
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        return new ExampleAgent(Process.Start(start)!);
    }

    /// <summary>Waits until it wrote that, so many times. Fails with all that it wrote when it ends before, or after a minute.</summary>
    internal async Task WroteAsync(string part, int times = 1)
    {
        long from = Stopwatch.GetTimestamp();
        while (Count(part) < times)
        {
            Assert.False(_process.HasExited || Stopwatch.GetElapsedTime(from) > Generous, $"no '{part}' ({times} times) in:\n{Output}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    internal int Count(string part) => Output.Split(part).Length - 1;

    internal async Task<(int Exit, string Output)> EndedAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Generous, TestContext.Current.CancellationToken);
        return (_process.ExitCode, Output);
    }

    /// <summary>Stops the agent and all that started it, as a machine that sleeps does (SIGSTOP). Linux alone.</summary>
    internal void Freeze()
    {
        List<int> tree = [_process.Id];
        for (int i = 0; i < tree.Count; i++) tree.AddRange(ChildrenOf(tree[i]));
        using Process stop = Process.Start("kill", ["-STOP", .. tree.Select(pid => $"{pid}")]);
        stop.WaitForExit();
        Assert.Equal(0, stop.ExitCode);
    }

    /// <summary>kill -9, of the agent and of the shell that started it.</summary>
    internal void Kill() => _process.Kill(entireProcessTree: true);

    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }

    private static IEnumerable<int> ChildrenOf(int parent)
    {
        foreach (string folder in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int pid)) continue;
            string stat;
            try
            {
                stat = File.ReadAllText(Path.Combine(folder, "stat"));
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                continue;
            }
            if (int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture) == parent) yield return pid; // pid (name) state ppid
        }
    }

    private async Task ReadAsync(StreamReader reader)
    {
        try
        {
            while (await reader.ReadLineAsync() is { } line)
                lock (_output) _output.AppendLine(line);
        }
        catch (Exception ended) when (ended is IOException or ObjectDisposedException)
        {
            // The agent is gone.
        }
    }
}
