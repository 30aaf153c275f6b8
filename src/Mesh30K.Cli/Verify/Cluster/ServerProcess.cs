using System.Diagnostics;
using System.Globalization;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>One server of a group, which runs as a process now and then. One owner at a time.</summary>
/// <param name="number">Its number.</param>
/// <param name="groupFolder">The group as it sees it.</param>
/// <param name="dataFolder">Its data.</param>
internal sealed class ServerProcess(int number, string groupFolder, string dataFolder) : IDisposable
{
    private const int LinesMax = 12;

    private static readonly TimeSpan ListensWithin = TimeSpan.FromSeconds(60);

    private readonly Queue<string> _said = new();
    private Process? _process;
    private TaskCompletionSource _listens = new();
    private bool _mayEnd = true;

    /// <summary>Its process; 0 when it has none. Any thread may read it, also while it is started.</summary>
    public int Pid
    {
        get
        {
            lock (_said) return _process is { HasExited: false } running ? running.Id : 0;
        }
    }

    /// <summary>What it said last, on stderr.</summary>
    public string Said
    {
        get
        {
            lock (_said) return string.Join(" | ", _said);
        }
    }

    /// <summary>How it ended, when it has ended and nobody told it to, nor expected it; else null.</summary>
    public string? EndedBy => !_mayEnd && _process is { HasExited: true } ended ? string.Create(CultureInfo.InvariantCulture, $"server {number} ended by itself with exit code {ended.ExitCode}: {Said}") : null;

    /// <summary>Starts it. Back when it listens; throws an <see cref="IOException"/> when it does not come to that.</summary>
    /// <param name="ignoresFileSizeSignal">Whether a write over the limit of files fails, and does not kill the process by a signal.</param>
    public async Task StartAsync(bool ignoresFileSizeSignal, CancellationToken stop)
    {
        ProcessStartInfo start = MeshProcess.Of("coordinator", "run", "--group", groupFolder, "--id", number.ToString(CultureInfo.InvariantCulture), "--data", dataFolder, "--json");
        if (ignoresFileSizeSignal)
        {
            // What a shell ignores stays ignored in what it becomes.
            (string program, string[] rest) = (start.FileName, [.. start.ArgumentList]);
            start.FileName = "sh";
            start.ArgumentList.Clear();
            foreach (string part in (string[])["-c", "trap '' XFSZ; exec \"$@\"", "mesh", program, .. rest]) start.ArgumentList.Add(part);
        }
        TaskCompletionSource listens = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_said) _said.Clear();
        _listens = listens;
        Process process = new() { StartInfo = start, EnableRaisingEvents = true };
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.StartsWith("{\"id\"", StringComparison.Ordinal) == true) listens.TrySetResult();
            else Hear(line.Data);
        };
        process.ErrorDataReceived += (_, line) => Hear(line.Data);
        process.Exited += (_, _) => listens.TrySetException(new IOException($"server {number} ended while it started: {Said}"));
        process.Start();
        lock (_said)
        {
            _process?.Dispose();
            _process = process; // not before: one that was not started cannot say whether it has ended
        }
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            await listens.Task.WaitAsync(ListensWithin, stop).ConfigureAwait(false);
            _mayEnd = false;
        }
        catch (TimeoutException slow)
        {
            throw new IOException($"server {number} did not listen within {ListensWithin.TotalSeconds} s: {Said}", slow);
        }
    }

    /// <summary>From now on its end is no surprise.</summary>
    public void ExpectEnd() => _mayEnd = true;

    /// <summary>Sends it SIGKILL, also when it stands still: from here on it computes nothing and says nothing more, though it may not be dead before its disk answers.</summary>
    public void SendKill()
    {
        _mayEnd = true;
        if (_process is { HasExited: false }) _process.Kill();
    }

    /// <summary>Kills it; back when it is dead.</summary>
    public Task KillAsync()
    {
        SendKill();
        return _process is null ? Task.CompletedTask : _process.WaitForExitAsync();
    }

    /// <summary>Another process of the same server on the same data.</summary>
    public ServerProcess Another() => new(number, groupFolder, dataFolder);

    /// <summary>Waits for its end; false when it still runs after that time.</summary>
    public async Task<bool> EndedAsync(TimeSpan atMost, CancellationToken stop)
    {
        try
        {
            await _process!.WaitForExitAsync(stop).WaitAsync(atMost, stop).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        if (_process is null) return;
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _ = _listens.Task.Exception; // seen: nobody waits any more
        _process.Dispose();
        _process = null;
    }

    private void Hear(string? line)
    {
        if (line is null) return;
        lock (_said)
        {
            _said.Enqueue(line);
            if (_said.Count > LinesMax) _said.Dequeue();
        }
    }
}
