using System.CommandLine;
using Mesh30K.Cli.Config;
using Mesh30K.Cli.Doctor;
using Mesh30K.Node.Links;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Checks whether a node can run well here, and says what to do where it cannot. Changes nothing.</summary>
public sealed class DoctorCommand : VerbCommand
{
    private readonly Option<string?> _fleet = new("--fleet") { Description = "Check this fleet file too, and the port and data directory that it names", HelpName = "file" };

    public DoctorCommand()
        : base("doctor", "Check whether a node can run well on this machine")
    {
        Add(_fleet);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh doctor", "mesh doctor --fleet fleet.yaml", "mesh doctor --json"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        NodeSettings node = Load(run, out Finding? fleetFinding);
        List<Finding> findings =
        [
            MachineChecks.Runtime(Environment.Version),
            MachineChecks.Cores(Environment.ProcessorCount),
            MachineChecks.Memory(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes),
            MachineChecks.OpenFiles(ProcessLimits.OpenFiles(), node.AgentsMax),
            ClockChecks.Timer(),
            ClockChecks.Monotonic(),
            MachineChecks.Port(node.Listen),
            MachineChecks.KeyFiles(node),
            MachineChecks.LibCrypto(),
            MachineChecks.Ed25519(),
        ];
        if (fleetFinding is not null) findings.Add(fleetFinding);
        if (await RepositoryChecks.MergeDriverAsync(run.Context.WorkingDirectory, run.Stop).ConfigureAwait(false) is { } driver) findings.Add(driver);
        bool healthy = findings.TrueForAll(f => f.Status != FindingStatus.Fail);
        run.Output.Result(new DoctorResult(healthy, findings), console => Render(console, findings));
        return healthy ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private NodeSettings Load(VerbRun run, out Finding? finding)
    {
        finding = null;
        string? path = run.Parse.GetValue(_fleet);
        FleetFile file = FleetFile.LoadOrDefault(path is null ? null : run.PathOf(path), run.Context.WorkingDirectory);
        if (path is not null)
        {
            int agents = file.LoadFleet().Agents;
            finding = Finding.Ok("fleet_file", $"{path}: {agents} agents in {file.Mesh.Sectors} sectors");
        }
        return file.Node;
    }

    private static void Render(IAnsiConsole console, IReadOnlyList<Finding> findings)
    {
        Table table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "", "");
        foreach (Finding f in findings)
        {
            string colour = f.Status switch { FindingStatus.Ok => "green", FindingStatus.Warn => "yellow", _ => "red" };
            string detail = Markup.Escape(f.Advice is null ? f.Detail : f.Detail + "\n" + f.Advice);
            table.AddRow($"[{colour}]{f.Status.ToString().ToLowerInvariant()}[/]", Markup.Escape(f.Name), detail);
        }
        console.Write(table);
    }

    private sealed record DoctorResult(bool Healthy, IReadOnlyList<Finding> Checks);
}
