using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using Mesh30K.Cli.Git;

namespace Mesh30K.Cli.Bench.Layers;

/// <summary>What a worker process is to do.</summary>
internal sealed record WorkerTask(string Kind, string Folder, int Worker, int Workers, int Count, int Seed)
{
    /// <summary>Writes of all workers that go into one file; then the next one.</summary>
    public int WritesPerFile { get; init; } = 1;

    public int ThinkMsMin { get; init; }

    public int ThinkMsMax { get; init; } = 2;

    /// <summary>Tasks in a chain of hand-offs.</summary>
    public int ChainLength { get; init; } = 1;

    public string GoFile => Path.Combine(Folder, "go");

    public string StopFile => Path.Combine(Folder, "stop");
}

/// <summary>What the scenarios of one run share: a folder, this build of mesh as a program, and how to start processes of it.</summary>
internal sealed class LayersRun(string folder, int seed, Action<string> note, CancellationToken stop)
{
    private static readonly TimeSpan StartWithin = TimeSpan.FromSeconds(60);

    public string Folder { get; } = folder;

    public int Seed { get; } = seed;

    public Action<string> Note { get; } = note;

    public CancellationToken Stop { get; } = stop;

    /// <summary>Not the launcher script: that looks at all sources each time.</summary>
    private static IReadOnlyList<string> Program { get; } = MergeDriver.Program(static _ => null, Environment.ProcessPath);

    public string NewFolder(string name) => Directory.CreateDirectory(Path.Combine(Folder, name.Replace('/', '-'))).FullName;

    /// <summary>Starts mesh with these arguments in a folder. Its output is thrown away.</summary>
    public static Process Start(string workingFolder, params IReadOnlyList<string> arguments)
    {
        ProcessStartInfo start = new(Program[0], [.. Program.Skip(1), .. arguments])
        {
            WorkingDirectory = workingFolder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment.Remove(MergeDriver.LauncherVariable);
        try
        {
            Process process = Process.Start(start)!;
            process.OutputDataReceived += static (_, _) => { };
            process.ErrorDataReceived += static (_, _) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            process.StandardInput.Close();
            return process;
        }
        catch (Win32Exception missing)
        {
            throw new CliException(new CliError(ExitCode.Usage, "worker_failed", $"{Program[0]} could not be started: {missing.Message}"));
        }
    }

    /// <summary>Runs mesh to its end and gives the milliseconds of the whole process.</summary>
    public async Task<double> RunMeshAsync(string workingFolder, params IReadOnlyList<string> arguments)
    {
        long started = Stopwatch.GetTimestamp();
        using Process process = Start(workingFolder, arguments);
        await EndAsync([process]).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    /// <summary>Starts a process for each task, lets them begin together, does <paramref name="meanwhile"/>, and waits for their end. Gives the time from the beginning.</summary>
    public async Task<double> RunWorkersAsync(IReadOnlyList<WorkerTask> tasks, Func<Task> meanwhile)
    {
        List<Process> workers = [];
        try
        {
            foreach (WorkerTask task in tasks)
            {
                string file = Path.Combine(task.Folder, $"worker-{task.Worker}.json");
                await File.WriteAllTextAsync(file, JsonSerializer.Serialize(task), Stop).ConfigureAwait(false);
                workers.Add(Start(task.Folder, "bench", LayersWorker.Verb, file));
            }
            await UntilAsync(() => tasks.All(t => File.Exists(LayersWorker.ReadyFile(t))), StartWithin, "the worker processes did not start").ConfigureAwait(false);
            long started = Stopwatch.GetTimestamp();
            await File.WriteAllTextAsync(tasks[0].GoFile, "", Stop).ConfigureAwait(false);
            await meanwhile().ConfigureAwait(false);
            await EndAsync(workers).ConfigureAwait(false);
            return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        }
        finally
        {
            foreach (Process worker in workers)
            {
                if (!worker.HasExited) worker.Kill(entireProcessTree: true);
                worker.Dispose();
            }
        }
    }

    /// <summary>Waits for a condition, bounded.</summary>
    public async Task UntilAsync(Func<bool> holds, TimeSpan atMost, string otherwise)
    {
        long started = Stopwatch.GetTimestamp();
        while (!holds())
        {
            if (Stopwatch.GetElapsedTime(started) > atMost) throw new CliException(new CliError(ExitCode.NotAchieved, "too_slow", $"{otherwise} within {atMost.TotalSeconds:0} s"));
            await Task.Delay(20, Stop).ConfigureAwait(false);
        }
    }

    private async Task EndAsync(IReadOnlyList<Process> processes)
    {
        foreach (Process process in processes)
        {
            await process.WaitForExitAsync(Stop).ConfigureAwait(false);
            if (process.ExitCode != 0)
                throw new CliException(new CliError(ExitCode.NotAchieved, "worker_failed", $"a process of mesh ended with exit code {process.ExitCode}: {string.Join(' ', process.StartInfo.ArgumentList)}", "Run it by hand to see why."));
        }
    }
}
