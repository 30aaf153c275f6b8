using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Mesh30K.Cli.Commands;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Runtime;

namespace Mesh30K.Cli.Execution;

/// <summary>How a command is run as an effect.</summary>
/// <param name="Command">The program and its arguments.</param>
/// <param name="WorkingDirectory">Where it runs.</param>
/// <param name="Input">Its stdin.</param>
/// <param name="Timeout">It is told to end after this time, and killed a little later; null: never.</param>
/// <param name="KeepRunning">It is not told to end when another run was given the effect, or a person decided on it.</param>
/// <param name="NotRunOn">Exit codes with which it says that it did nothing.</param>
/// <param name="Live">Where its stdout goes while it runs; null: nowhere.</param>
internal sealed record EffectChildOptions(
    IReadOnlyList<string> Command, string WorkingDirectory, ReadOnlyMemory<byte> Input, TimeSpan? Timeout, bool KeepRunning, Func<int, bool> NotRunOn, Action<ReadOnlyMemory<byte>>? Live);

/// <summary>Runs a command once and says what is known of it afterwards.</summary>
internal static class EffectChild
{
    /// <summary>How long it may take to end after it was asked to.</summary>
    public static readonly TimeSpan EndWithin = TimeSpan.FromSeconds(10);

    /// <summary>Runs it. Never throws for what the command does.</summary>
    public static async Task<EffectOutcome> RunAsync(EffectChildOptions options, EffectContext context, CancellationToken cancel)
    {
        Process process;
        try
        {
            process = Process.Start(StartOf(options, context))!;
        }
        catch (Win32Exception missing)
        {
            return new EffectOutcome(EffectReport.NotRun, default, $"cannot start {options.Command[0]}: {missing.Message}");
        }
        using (process)
        {
            OutputHead head = new();
            // On a thread of its own: whoever reads stdout may stop reading, which must not keep the command from being told to end.
            Task output = Task.Run(() => CopyAsync(process.StandardOutput.BaseStream, head, options.Live), CancellationToken.None);
            _ = FeedAsync(process.StandardInput, options.Input);
            string? stopped = await EndAsync(process, options.Timeout, options.KeepRunning ? CancellationToken.None : context.TakenOver, cancel).ConfigureAwait(false);
            await OutputEnd.WaitAsync(output, TimeProvider.System).ConfigureAwait(false);
            if (!output.IsCompleted && head.IsBehind) head.Cut();
            return OutcomeOf(process.ExitCode, stopped, options.NotRunOn, head);
        }
    }

    private static ProcessStartInfo StartOf(EffectChildOptions options, EffectContext context)
    {
        string program = options.Command[0].Contains('/', StringComparison.Ordinal) ? Path.GetFullPath(options.Command[0], options.WorkingDirectory) : options.Command[0];
        ProcessStartInfo start = new(program, options.Command.Skip(1))
        {
            WorkingDirectory = options.WorkingDirectory,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment.Remove(AgentRunCommand.TokenVariable);
        start.Environment["MESH_EFFECT_KEY"] = context.Request.Key;
        start.Environment["MESH_EFFECT_PRINCIPAL"] = context.Request.Principal;
        start.Environment["MESH_EFFECT_EPOCH"] = context.Epoch.ToString(CultureInfo.InvariantCulture);
        start.Environment["MESH_EFFECT_EXECUTION"] = context.Execution.ToString(CultureInfo.InvariantCulture);
        return start;
    }

    /// <summary>Waits for its end; the result says why it was told to end, null when it was not.</summary>
    private static async Task<string?> EndAsync(Process process, TimeSpan? timeout, CancellationToken takenOver, CancellationToken cancel)
    {
        using CancellationTokenSource until = CancellationTokenSource.CreateLinkedTokenSource(cancel, takenOver);
        if (timeout is { } atMost) until.CancelAfter(atMost);
        try
        {
            await process.WaitForExitAsync(until.Token).ConfigureAwait(false);
            return null;
        }
        catch (OperationCanceledException)
        {
            ChildProcess.AskToEnd(process);
        }
        try
        {
            await process.WaitForExitAsync(CancellationToken.None).WaitAsync(EndWithin, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            ChildProcess.End(process);
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        }
        if (cancel.IsCancellationRequested) return "it was interrupted";
        return takenOver.IsCancellationRequested ? "its lease was lost, and another run was given the effect or a person decided on it, so it was told to end" : $"it did not end within {timeout!.Value.TotalSeconds:0.###} s";
    }

    private static EffectOutcome OutcomeOf(int exitCode, string? stopped, Func<int, bool> notRunOn, OutputHead head)
    {
        const int signalFirst = 129; // .NET, like a shell, tells the end by a signal as 128 and its number
        const int signalLast = 159;
        byte[] recorded = new RecordedOutput(exitCode, null, head.IsTruncated) { Bytes = head.Bytes }.Write();
        if (exitCode == 0) return new EffectOutcome(EffectReport.Done, recorded);
        if (stopped is not null) return new EffectOutcome(null, default, $"{stopped}, and ended with exit code {exitCode}");
        if (exitCode is >= signalFirst and <= signalLast) return new EffectOutcome(null, default, $"the command was ended by signal {exitCode - 128}");
        if (notRunOn(exitCode)) return new EffectOutcome(EffectReport.NotRun, default, $"the command ended with exit code {exitCode}, by which it says that it did nothing");
        return new EffectOutcome(EffectReport.Failed, recorded);
    }

    private static async Task CopyAsync(Stream from, OutputHead head, Action<ReadOnlyMemory<byte>>? live)
    {
        byte[] buffer = new byte[16_384];
        try
        {
            int read;
            while ((read = await from.ReadAsync(buffer).ConfigureAwait(false)) > 0)
            {
                head.IsBehind = true;
                head.Add(buffer.AsSpan(0, read));
                live?.Invoke(buffer.AsMemory(0, read));
                head.IsBehind = false;
            }
        }
        catch (Exception closed) when (closed is IOException or ObjectDisposedException)
        {
            // The command's end was told; what it left running still wrote.
        }
    }

    private static async Task FeedAsync(StreamWriter stdin, ReadOnlyMemory<byte> input)
    {
        await Task.Yield();
        try
        {
            await stdin.BaseStream.WriteAsync(input).ConfigureAwait(false);
            stdin.Close();
        }
        catch (Exception unread) when (unread is IOException or ObjectDisposedException)
        {
            // It does not read its input.
        }
    }
}
