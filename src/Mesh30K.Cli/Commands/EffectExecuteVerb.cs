using System.CommandLine;
using Mesh30K.Cli.Execution;
using Mesh30K.Cli.Queue;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Node.Ledger;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Cli.Commands;

/// <summary>A verb that executes an effect once per key, and what it says afterwards.</summary>
public abstract class EffectExecuteVerb : EffectVerb
{
    private const int InputBytesMax = 16 << 20;

    private readonly Option<string> _key = new("--key") { Description = "The idempotency key: the same effect has the same key, also next time", HelpName = "key", Required = true };
    private readonly Option<bool> _honoursKey = new("--honours-key") { Description = "Whoever receives the effect drops a second one with the same key: then what is not known is tried again, else it is left in doubt" };
    private readonly Option<string> _retention = new("--retention") { Description = "How long the result is kept and replayed; then the key is new again", HelpName = "time", DefaultValueFactory = _ => "24h" };
    private readonly Option<string> _lease = new("--lease") { Description = "When it was not heard of for so long, this run counts as crashed; renewed while it lives", HelpName = "time", DefaultValueFactory = _ => "60s" };
    private readonly Option<string> _wait = new("--wait") { Description = "How long to wait while another one runs it; 0 says at once that it is held", HelpName = "time", DefaultValueFactory = _ => "10m" };

    private protected EffectExecuteVerb(string name, string summary)
        : base(name, summary, creates: true)
    {
        foreach (Option option in (Option[])[_key, _honoursKey, _retention, _lease, _wait]) Add(option);
    }

    /// <inheritdoc/>
    public override TimeSpan? StopGrace => EffectChild.EndWithin + LedgerWithin + TimeSpan.FromSeconds(5); // what was executed is still reported

    /// <summary>What the runs under one key have to have in common; the same bytes for the same effect.</summary>
    private protected abstract byte[] RequestBytes(VerbRun run);

    private protected abstract Task<EffectOutcome> ExecuteAsync(VerbRun run, EffectContext context, CancellationToken cancel);

    /// <summary>For people: what was replayed, or what the execution brought if that did not go out while it ran.</summary>
    private protected abstract void ShowOutput(VerbRun run, RecordedOutput output, bool isReplay);

    /// <summary>How the process ends when the effect did: by a command's exit code, or an answer's status.</summary>
    private protected abstract ExitCode ExitOf(RecordedOutput output);

    private protected sealed override async Task<ExitCode> RunAsync(VerbRun run, ILedger ledger)
    {
        EffectRequest request = new(Principal(run), run.Parse.GetRequiredValue(_key), PayloadHash.Of(RequestBytes(run)), run.Parse.GetValue(_honoursKey))
        {
            Retention = Duration.Of(_retention.Name, run.Parse.GetRequiredValue(_retention), TimeSpan.FromSeconds(1)),
            Lease = Duration.Of(_lease.Name, run.Parse.GetRequiredValue(_lease), TimeSpan.FromSeconds(1)),
        };
        EffectRunner runner = new(ledger, new EffectRunOptions { WaitForOther = Duration.Of(_wait.Name, run.Parse.GetRequiredValue(_wait), TimeSpan.Zero), LedgerWithin = LedgerWithin });
        EffectResult result = await runner.RunAsync(request, (context, cancel) => ExecuteAsync(run, context, cancel), run.Stop).ConfigureAwait(false);
        RecordedOutput? output = result.Ending is EffectEnding.Done or EffectEnding.Failed or EffectEnding.Unrecorded ? RecordedOutput.Read(result.Output) : null;
        ExitCode exit = result.Ending is EffectEnding.Done or EffectEnding.Failed ? ExitOf(output!) : ExitOf(result.Ending);
        if (result.Ending is EffectEnding.Refused or EffectEnding.Unavailable) throw new CliException(Refusal(result, request));
        if (run.Output.Json)
        {
            object told = new
            {
                request.Key,
                request.Principal,
                result.Ending,
                Replayed = result.IsReplay,
                ExitCode = (int)exit,
                HttpStatus = output?.Status,
                Output = output?.Text,
                OutputTruncated = output?.Truncated,
                result.Message,
                result.Effect?.Epoch,
                result.Effect?.Attempts,
            };
            run.Output.Result(told, static _ => { });
            return exit;
        }
        if (output is not null) ShowOutput(run, output, result.IsReplay);
        if (output is { Truncated: true }) run.Output.Note($"mesh: the output was not kept whole (at most {RecordedOutput.BytesMax} bytes are, of what could be read); what is recorded and replayed is its beginning");
        if (result.IsReplay) run.Output.Detail($"replayed: {request.Key} ran before, under the epoch {result.Effect?.Epoch}");
        if (result.Message.Length > 0) run.Output.Note($"mesh: {request.Key}: {result.Message}");
        if (Hint(result.Ending, request) is { } hint) run.Output.Note($"      {hint}");
        return exit;
    }

    /// <summary>Reads stdin or a file to its end. Throws a <see cref="CliException"/> when there is too much.</summary>
    private protected static async Task<byte[]> ReadAllAsync(Stream from, string what, CancellationToken stop)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[65_536];
        int read;
        while ((read = await from.ReadAsync(buffer, stop).ConfigureAwait(false)) > 0)
        {
            all.Write(buffer, 0, read);
            if (all.Length > InputBytesMax) throw new CliException(new CliError(ExitCode.Usage, "too_large", $"{what} has more than {InputBytesMax} bytes", "Put it in a file that the command reads, and name the file's version in the key."));
        }
        return all.ToArray();
    }

    private static ExitCode ExitOf(EffectEnding ending) => ending switch
    {
        EffectEnding.NotRun or EffectEnding.RunAgain => ExitCode.RunAgain,
        EffectEnding.Abandoned => ExitCode.Abandoned,
        EffectEnding.Held => ExitCode.Held,
        EffectEnding.Unrecorded => ExitCode.Unrecorded,
        _ => ExitCode.InDoubt,
    };

    private static CliError Refusal(EffectResult result, EffectRequest request) => result.Ending == EffectEnding.Unavailable
        ? new CliError(ExitCode.NodeUnreachable, "ledger_unreachable", result.Message, "Nothing was run. Try again with the same key.")
        : new CliError(ExitCode.Usage, "refused", $"the ledger refused {request.Key}: {result.Message}", "Nothing was run. If the key stands for another effect (`mesh effect show KEY`), give this one a key of its own.");

    private static string? Hint(EffectEnding ending, EffectRequest request) => ending switch
    {
        EffectEnding.InDoubt => $"mesh effect show {request.Key} says how it stands. While it is in doubt it does not run again: find out whether it took place, then mesh effect resolve {request.Key} --done or --not-done",
        EffectEnding.NotRun or EffectEnding.RunAgain => "Run it again with the same key.",
        EffectEnding.Held => "Run it again later, or wait longer with --wait.",
        EffectEnding.Unrecorded => $"It was executed, which the ledger may not know: mesh effect show {request.Key} says how it stands.",
        _ => null,
    };
}
