using System.CommandLine;
using System.Globalization;
using Mesh30K.Cli.Output;
using Mesh30K.Cli.Verify.Power;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Cuts the power of a real file system while the product's logs are written, and reads them back. Exit code 1 when something acknowledged is gone.</summary>
internal sealed class VerifyPowerCommand : VerbCommand
{
    private const long DiskBytes = 256L << 20;

    private readonly Option<int> _cycles = new("--cycles") { Description = "How many times the power is cut", HelpName = "count", DefaultValueFactory = _ => 500 };
    private readonly Option<int?> _seed = new("--seed") { Description = "Of moments and entries (default: by the clock; it is reported)", HelpName = "number" };

    public VerifyPowerCommand()
        : base("power", "Cut the power of a mounted ext4 while logs are written on it, and check that nothing acknowledged is lost (needs root)")
    {
        Add(_cycles);
        Add(_seed);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify power --cycles 20", "mesh verify power --cycles 500 --seed 7 --json"];

    /// <summary>A cycle under way is left, its worker killed, its disk unmounted.</summary>
    public override TimeSpan? StopGrace => TimeSpan.FromSeconds(30);

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int cycles = run.Parse.GetValue(_cycles);
        int seed = run.Parse.GetValue(_seed) ?? Environment.TickCount & 0xFFFFFF;
        if (cycles is < 1 or > 100_000) throw new CliException(new CliError(ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"--cycles is {cycles}; it must be 1 to 100000")));
        if (LoopDisk.WhyNot() is { } why) throw new CliException(new CliError(ExitCode.Usage, "cannot_mount", why, "Run it as root on a machine or in a container that may mount."));
        DirectoryInfo folder = Directory.CreateTempSubdirectory(string.Create(CultureInfo.InvariantCulture, $"mesh-power-{Environment.ProcessId}-"));
        try
        {
            PowerReport report = await ProgressBar.RunAsync(run.Output, async progress =>
            {
                using LoopDisk disk = new(folder.FullName, "disk", DiskBytes);
                return await new PowerRun(disk, Enum.GetValues<PowerLogKind>(), PowerLogs.OfProduct, PowerWorker.Start).RunAsync(cycles, seed, progress, run.Stop).ConfigureAwait(false);
            }).ConfigureAwait(false);
            run.Output.Result(report, console => Render(console, report));
            return report.Holds ? ExitCode.Ok : ExitCode.NotAchieved;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Render(IAnsiConsole console, PowerReport r)
    {
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"{r.Cycles} power cuts in {r.WallS} s, seed {r.Seed}: {r.Acknowledged:N0} entries acknowledged, {r.Amid:N0} amid a cut; {r.UnderWay:N0} were there that nobody had acknowledged; {r.Early} cuts before a first acknowledgement"));
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  lost {r.Lost}, changed {r.Changed}, refused {r.Refused}, workers that did not notice {r.NotStopped}"));
        foreach (string finding in r.Findings) Views.Line(console, "  " + Client.Plain.Line(finding));
    }
}

/// <summary>The process that <c>mesh verify power</c> lets write; not for people. Waits for one line on its stdin: which log, the seed, the folder.</summary>
internal sealed class VerifyPowerWorkerCommand : VerbCommand
{
    public const string Verb = "power-worker";

    public VerifyPowerWorkerCommand()
        : base(Verb, "The process of mesh verify power that writes") => Hidden = true;

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify power"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        using StreamReader input = new(run.Context.OpenIn());
        string[] go = (await input.ReadLineAsync(run.Stop).ConfigureAwait(false) ?? "").Split(' ', 3);
        if (go.Length < 3 || !Enum.TryParse(go[0], out PowerLogKind kind) || !int.TryParse(go[1], CultureInfo.InvariantCulture, out int seed))
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", "stdin holds no line of log, seed and folder"));
        string ended = await PowerWriter.RunAsync(PowerLogs.OfProduct, kind, run.PathOf(go[2]), seed, n => run.Context.Out.Write(string.Create(CultureInfo.InvariantCulture, $"A {n}\n"))).ConfigureAwait(false);
        run.Output.ResultText(new { Ended = ended }, ended);
        return ExitCode.Ok;
    }
}
