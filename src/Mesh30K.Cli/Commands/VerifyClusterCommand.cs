using System.CommandLine;
using System.Globalization;
using Mesh30K.Cli.Output;
using Mesh30K.Cli.Verify;
using Mesh30K.Cli.Verify.Cluster;
using Mesh30K.Cli.Verify.Power;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Runs a group of coordinators as processes under kills, stops, cuts and failing disks, and checks what its clients saw. Exit code 1 when a promise is broken.</summary>
internal sealed class VerifyClusterCommand : VerbCommand
{
    private const int SecondsMax = 86_400;

    private readonly Option<int> _nodes = new("--nodes") { Description = "How many coordinators: 3 or 5", HelpName = "count", DefaultValueFactory = _ => 3 };
    private readonly Option<int> _seconds = new("--seconds") { Description = "For how long faults come", HelpName = "count", DefaultValueFactory = _ => 60 };
    private readonly Option<int?> _seed = new("--seed") { Description = "Of the faults and of what clients ask (default: by the clock; it is reported)", HelpName = "number" };
    private readonly Option<string> _history = new("--history") { Description = "Where the history goes; what is there is overwritten", HelpName = "file", Required = true };

    public VerifyClusterCommand()
        : base("cluster", "Run a group of coordinators as processes under kills, stops, cuts and failing disks, and check its clients' history")
    {
        foreach (Option option in (Option[])[_nodes, _seconds, _seed, _history]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh verify cluster --nodes 3 --seconds 60 --history history.jsonl", "mesh verify cluster --nodes 5 --seconds 600 --seed 7 --history history.jsonl --json"];

    /// <summary>Its processes are killed and its disks unmounted.</summary>
    public override TimeSpan? StopGrace => TimeSpan.FromSeconds(30);

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        (int nodes, int seconds) = (run.Parse.GetValue(_nodes), run.Parse.GetValue(_seconds));
        int seed = run.Parse.GetValue(_seed) ?? Environment.TickCount & 0xFFFFFF;
        if (nodes is not (3 or 5)) throw Bad(string.Create(CultureInfo.InvariantCulture, $"--nodes is {nodes}; it must be 3 or 5"));
        if (seconds is < 1 or > SecondsMax) throw Bad(string.Create(CultureInfo.InvariantCulture, $"--seconds is {seconds}; it must be 1 to {SecondsMax}"));
        if (!LinuxCalls.IsSupported) throw new CliException(new CliError(ExitCode.Usage, "not_here", "processes are stopped and killed by signals, which needs 64-bit Linux"));
        string name = run.Parse.GetRequiredValue(_history);
        DirectoryInfo folder = Directory.CreateTempSubdirectory(string.Create(CultureInfo.InvariantCulture, $"mesh-cluster-{Environment.ProcessId}-"));
        try
        {
            using FileStream file = Open(run, name);
            string? noDisks = LoopDisk.WhyNot();
            if (noDisks is not null) run.Output.Note($"verify cluster: disks cannot lose their power, only be full: {noDisks}");
            ClusterReport report = await ProgressBar.RunAsync(run.Output, async progress =>
            {
                progress("starting", 0);
                ProcessCluster cluster = await ProcessCluster.StartAsync(folder.FullName, nodes, noDisks is null, run.Stop).ConfigureAwait(false);
                await using (cluster.ConfigureAwait(false)) return await new ClusterRun(cluster, new ClusterRunOptions(seconds, seed, name), run.Output.Detail).RunAsync(file, progress, run.Stop).ConfigureAwait(false);
            }).ConfigureAwait(false);
            run.Output.Result(report, console => Render(console, report));
            return report.Holds ? ExitCode.Ok : ExitCode.NotAchieved;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static CliException Bad(string message) => new(new CliError(ExitCode.Usage, "bad_value", message));

    private static FileStream Open(VerbRun run, string name)
    {
        try
        {
            return new FileStream(run.PathOf(name), FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 1 << 16);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "unwritable_file", $"cannot write {name}: {refused.Message}"));
        }
    }

    private static void Render(IAnsiConsole console, ClusterReport r)
    {
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"{r.Verdict}: {r.Operations:N0} operations of {r.Clients} clients on {r.Keys:N0} keys of a group of {r.Nodes}, {r.FaultsInjected} faults in {r.Seconds} s, seed {r.Seed}"));
        foreach ((string op, OperationCounts n) in (IEnumerable<(string, OperationCounts)>)[("get", r.Get), ("put", r.Put), ("cas", r.Cas)])
            Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {op}: {n.Ok:N0} ok, {n.Fail:N0} fail, {n.Unknown:N0} unknown"));
        Views.Line(console, "  faults: " + string.Join(", ", r.Faults.Select(f => string.Create(CultureInfo.InvariantCulture, $"{f.Value} {f.Key}"))) + string.Create(CultureInfo.InvariantCulture, $"; {r.FaultsMissed} missed; late by {r.LateMsMedian} ms, at most {r.LateMsMax} ms"));
        Views.Line(console, string.Create(CultureInfo.InvariantCulture, $"  {r.Failovers} failovers: median {r.FailoverMsMedian} ms, longest {r.FailoverMsMax} ms; all served again {r.QuietAfterMs} ms after the last fault; lost writes: {r.Lost}"));
        foreach (ClusterViolation v in r.Violations) Views.Line(console, "  " + Client.Plain.Line($"{v.Key}: line {v.Line} fits no order: {v.Operation}{(v.IsLoss ? " (an acknowledged write is lost)" : "")}"));
        foreach (string key in r.Undecided) Views.Line(console, "  " + Client.Plain.Line($"{key}: undecided"));
        foreach (string finding in r.Findings) Views.Line(console, "  " + Client.Plain.Line(finding));
    }
}
