using System.Buffers.Binary;
using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Mesh30K.Cli.Execution;
using Mesh30K.Cli.Queue;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Commands;

/// <summary>Runs a command once per key; afterwards its recorded stdout and exit code are replayed.</summary>
public sealed class EffectRunCommand : EffectExecuteVerb
{
    private readonly Option<string?> _timeout = new("--timeout") { Description = "Ask the command to end after this time, kill it 10 s later; unless it ends with 0 it is in doubt then", HelpName = "time" };
    private readonly Option<bool> _keepRunning = new("--keep-running") { Description = "Let the command go on when its lease is lost and another run was given the effect, or a person decided on it; else it is ended as with --timeout" };
    private readonly Option<bool> _stdin = new("--stdin") { Description = "Give stdin to the command; it is read first, and is part of the request. Without this the command's stdin is empty" };
    private readonly Option<string[]> _retryOn = new("--retry-on")
    {
        Description = "Exit codes with which the command says that it did nothing, such as 75, or any: not recorded, the next run runs it again",
        HelpName = "codes",
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Argument<string[]> _command = new("command")
    {
        Description = "What is run, after --: exit code 0 is done, others failed, both recorded; it has MESH_EFFECT_KEY, _PRINCIPAL, _EPOCH and _EXECUTION",
        Arity = ArgumentArity.OneOrMore,
    };

    private byte[] _input = [];
    private Func<int, bool> _notRunOn = static _ => false;
    private TimeSpan? _atMost;

    public EffectRunCommand()
        : base("run", "Run a command once per key")
    {
        foreach (Option option in (Option[])[_timeout, _keepRunning, _stdin, _retryOn]) Add(option);
        Add(_command);
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh effect run --key deploy-12 -- ./deploy.sh 12", "mesh effect run --key report-2026-11-21 --stdin -- sendmail team@example.com < report.txt",
        "mesh effect run --key pay-77 --honours-key --timeout 30s -- sh -c 'curl -fsS -H \"Idempotency-Key: $MESH_EFFECT_KEY\" -d @pay.json https://pay.example.com/'",
    ];

    private protected override async Task CheckInputAsync(VerbRun run)
    {
        _atMost = run.Parse.GetValue(_timeout) is { } timeout ? Duration.Of(_timeout.Name, timeout, TimeSpan.FromMilliseconds(1)) : null;
        _notRunOn = CodesOf(run.Parse.GetValue(_retryOn) ?? []);
        if (!run.Parse.GetValue(_stdin)) return;
        using Stream stdin = run.Context.OpenIn();
        _input = await ReadAllAsync(stdin, "stdin", run.Stop).ConfigureAwait(false);
    }

    private protected override byte[] RequestBytes(VerbRun run)
    {
        using MemoryStream bytes = new();
        bytes.Write("mesh effect run 1\n"u8);
        Span<byte> length = stackalloc byte[4];
        foreach (string part in run.Parse.GetRequiredValue(_command))
        {
            byte[] text = Encoding.UTF8.GetBytes(part);
            BinaryPrimitives.WriteInt32BigEndian(length, text.Length);
            bytes.Write(length);
            bytes.Write(text);
        }
        bytes.Write(SHA256.HashData(_input));
        return bytes.ToArray();
    }

    private protected override Task<EffectOutcome> ExecuteAsync(VerbRun run, EffectContext context, CancellationToken cancel)
    {
        Action<ReadOnlyMemory<byte>>? live = run.Output.Json ? null : new LiveOutput(run).Write;
        return EffectChild.RunAsync(new EffectChildOptions(run.Parse.GetRequiredValue(_command), run.Context.WorkingDirectory, _input, _atMost, run.Parse.GetValue(_keepRunning), _notRunOn, live), context, cancel);
    }

    private protected override void ShowOutput(VerbRun run, RecordedOutput output, bool isReplay)
    {
        if (isReplay) new LiveOutput(run).Write(output.Bytes);
    }

    private protected override ExitCode ExitOf(RecordedOutput output) => (ExitCode)output.ExitCode;

    private static Func<int, bool> CodesOf(string[] given)
    {
        HashSet<int> codes = [];
        foreach (string text in given.SelectMany(g => g.Split(',')))
        {
            if (text == "any") return static code => code != 0;
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int code) || code is < 1 or > 128)
                throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--retry-on must be any or exit codes of 1 to 128 such as 75,111, was {text}"));
            codes.Add(code);
        }
        return codes.Contains;
    }
}

/// <summary>stdout as bytes. When its reader has gone, the effect goes on.</summary>
internal sealed class LiveOutput(VerbRun run)
{
    private readonly Stream? _raw = run.Context.OpenOut?.Invoke();
    private bool _isGone;

    public void Write(ReadOnlyMemory<byte> bytes)
    {
        if (_isGone) return;
        try
        {
            if (_raw is null)
            {
                run.Context.Out.Write(Encoding.UTF8.GetString(bytes.Span));
                return;
            }
            _raw.Write(bytes.Span);
            _raw.Flush();
        }
        catch (IOException)
        {
            _isGone = true;
        }
    }
}
