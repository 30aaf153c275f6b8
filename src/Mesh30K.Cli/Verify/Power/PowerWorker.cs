using System.Diagnostics;
using System.Globalization;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>Somebody who writes a log on a disk whose power will fail. One owner.</summary>
internal interface IPowerWorker : IDisposable
{
    /// <summary>The last entry that was acknowledged to it; 0: none. Any thread may read it.</summary>
    long Acknowledged { get; }

    /// <summary>Completes when it has ended by itself, with the reason that it gave.</summary>
    Task<string> Ended { get; }

    /// <summary>Lets it begin.</summary>
    void Go(PowerLogKind kind, string folder, int seed);

    /// <summary>Ends it, however it is.</summary>
    Task KillAsync();
}

/// <summary>A process of its own that writes. It is started before it is needed, since that takes longer than most lives.</summary>
internal sealed class PowerWorker : IPowerWorker
{
    private readonly Process _process;
    private long _acknowledged;

    private PowerWorker(Process process)
    {
        _process = process;
        Ended = Task.Run(ListenAsync);
    }

    public long Acknowledged => Volatile.Read(ref _acknowledged);

    public Task<string> Ended { get; }

    public static PowerWorker Start()
    {
        ProcessStartInfo start = MeshProcess.Of("verify", Commands.VerifyPowerWorkerCommand.Verb);
        start.RedirectStandardInput = true;
        return new PowerWorker(Process.Start(start)!);
    }

    public void Go(PowerLogKind kind, string folder, int seed)
    {
        _process.StandardInput.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kind} {seed} {folder}"));
        _process.StandardInput.Flush();
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync().ConfigureAwait(false);
        await Ended.ConfigureAwait(false);
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
    }

    private async Task<string> ListenAsync()
    {
        string reason = "";
        while (await _process.StandardOutput.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            if (line.StartsWith("A ", StringComparison.Ordinal)) Volatile.Write(ref _acknowledged, long.Parse(line.AsSpan(2), CultureInfo.InvariantCulture));
            else reason = line;
        }
        return reason.Length > 0 ? reason : (await _process.StandardError.ReadToEndAsync().ConfigureAwait(false)).Trim();
    }
}
