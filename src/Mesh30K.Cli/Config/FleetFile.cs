using System.Net;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Links;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Config;

/// <summary>
/// What a fleet file (<c>fleet.yaml</c>) says, with every value checked. What is left out has the default of the type that holds it: this file
/// declares no defaults of its own but the node's. The guide to it is docs/guide/fleet.md. Paths are absolute: a relative path in the file
/// starts at the file's folder.
/// </summary>
public sealed record FleetFile
{
    /// <summary>Where the file came from, for errors found later: a trace is read by <see cref="LoadFleet"/> only.</summary>
    public required string SourcePath { get; init; }

    /// <summary>Room for at least the fleet's agents; what they leave free is for agents that join. Default: <see cref="MeshShape.For"/> the fleet, and the reference shape for none.</summary>
    public required MeshShape Mesh { get; init; }

    /// <summary>The simulated fleet, which may have no agents, without its traces: <see cref="LoadFleet"/> adds them.</summary>
    public required FleetOptions Fleet { get; init; }

    /// <summary>Folder of recorded round trips (<see cref="NetworkTrace.Load"/>); null for the profile's network.</summary>
    public required string? NetworkTraceFolder { get; init; }

    /// <summary>Recorded service times; null for the profile's.</summary>
    public required ServiceTraceSource? ServiceTraceSource { get; init; }

    public required ArrivalOptions Arrival { get; init; }

    public required NodeSettings Node { get; init; }

    /// <summary>Rate budgets; empty by default.</summary>
    public required IReadOnlyList<GroupBudget> Budgets { get; init; }

    /// <summary>When an operation's quorum says PROCEED, unless the operation says otherwise.</summary>
    public QuorumThresholds Quorum => Defaults.Thresholds;

    internal OperationSpec Defaults { get; init; } = new();

    /// <summary>What an empty file in <paramref name="folder"/> would say: the reference fleet of M 2.2.</summary>
    public static FleetFile DefaultFor(string folder) => Parse("", Path.Combine(folder, "fleet.yaml")).OrThrow();

    /// <summary>No simulated agents, and the reference shape for those that join.</summary>
    public static FleetFile EmptyFor(string folder) => Parse("fleet: {agents: 0}", Path.Combine(folder, "fleet.yaml")).OrThrow();

    /// <summary>The file at <paramref name="path"/>, or the reference fleet in <paramref name="folder"/> when no file was named.</summary>
    public static FleetFile LoadOrDefault(string? path, string folder) => path is null ? DefaultFor(folder) : Load(path).OrThrow();

    /// <summary>Reads and checks a file of at most 1 MiB.</summary>
    public static FleetFileResult Load(string path) => FleetFileParser.Load(path);

    /// <summary>Checks the text of a fleet file.</summary>
    /// <param name="text">YAML.</param>
    /// <param name="path">Where it came from: named in errors, and where relative paths start.</param>
    public static FleetFileResult Parse(string text, string path) => FleetFileParser.Parse(text, path);

    /// <summary>An operation with this file's window, timeout, planner, lead level and thresholds, to be completed by <c>with</c>.</summary>
    public OperationSpec Operation() => Defaults;

    /// <summary>What the mesh is made of.</summary>
    public MeshSettings Settings() => new() { Shape = Mesh, Arrival = Arrival, Budgets = Budgets };

    /// <summary>
    /// The simulated fleet, with its recorded traces read. A trace that cannot be used ends the verb as an error of the fleet file does.
    /// </summary>
    /// <exception cref="CliException">A trace is missing, malformed or too large; names its file and line.</exception>
    public FleetBlueprint LoadFleet()
    {
        try
        {
            return new FleetBlueprint(Fleet with
            {
                NetworkTrace = NetworkTraceFolder is { } folder ? LoadNetwork(folder) : null,
                ServiceTrace = ServiceTraceSource is { } source ? LoadService(source) : null,
            });
        }
        catch (FleetInputException wrong)
        {
            string at = wrong.Line > 0 ? $"{wrong.File}:{wrong.Line}" : wrong.File;
            throw TraceError($"{at}: {wrong.Problem}", $"Expected {wrong.Expected}.");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw TraceError(unreadable.Message.ReplaceLineEndings(" "), "Name traces that you may read.");
        }
    }

    private static NetworkTrace LoadNetwork(string folder)
    {
        NetworkTrace trace = NetworkTrace.Load(folder);
        return trace.Paths.Count <= ushort.MaxValue
            ? trace
            : throw new FleetInputException(folder, 0, $"{trace.Paths.Count} files", $"at most {ushort.MaxValue} recorded paths");
    }

    private static ServiceTrace LoadService(ServiceTraceSource source)
    {
        ServiceTrace trace = ServiceTrace.Load(source.File, source.Column, source.Group);
        return trace.Groups.Count <= ushort.MaxValue
            ? trace
            : throw new FleetInputException(source.File, 0, $"{trace.Groups.Count} groups", $"at most {ushort.MaxValue} groups");
    }

    private CliException TraceError(string what, string fix) => new(new CliError(ExitCode.Usage, "fleet_file", $"{SourcePath}: {what}", fix));
}

/// <summary>Where recorded service times are, as <see cref="ServiceTrace.Load"/> takes them.</summary>
/// <param name="File">The CSV file, with a header row.</param>
/// <param name="Column">The column that holds milliseconds, or several by a prefix with <c>*</c>.</param>
/// <param name="Group">The column, or several with commas, by which rows belong to one machine; null when all rows are alike.</param>
public sealed record ServiceTraceSource(string File, string Column, string? Group);

/// <summary>The node that this machine runs.</summary>
/// <param name="Listen">Where agents and operators reach it. Default 127.0.0.1:7300; port 0 takes any free one.</param>
/// <param name="Loops">How many event loops, 1 to 256; null means min(cores, 4).</param>
/// <param name="DataDirectory">Where the journal and the keys live. Default <c>.mesh</c>.</param>
public sealed record NodeSettings(IPEndPoint Listen, int? Loops, string DataDirectory)
{
    /// <summary>Agents on WebSockets at once, 1 to 100,000. Default 12,000; the limit of open files may leave fewer.</summary>
    public int AgentsMax { get; init; } = new AgentLinkOptions().AgentsMax;

    /// <summary>The key with which the command on this machine speaks to its node.</summary>
    public string OperatorKeyFile => Path.Combine(DataDirectory, "operator.key");
}
