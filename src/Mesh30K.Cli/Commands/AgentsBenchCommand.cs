using System.CommandLine;
using System.Globalization;
using Mesh30K.Cli.Bench.Agents;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Measures real agents: a node here, its agents on WebSockets in a second process, signatures on.</summary>
internal sealed class AgentsBenchCommand : VerbCommand
{
    private readonly Option<int> _connections = new("--connections") { Description = "Agents, each on a WebSocket of its own", HelpName = "count", DefaultValueFactory = _ => 1_000 };
    private readonly Option<int> _rounds = new("--rounds") { Description = "Cascades one after the other", HelpName = "count", DefaultValueFactory = _ => 20 };
    private readonly Option<double> _seconds = new("--seconds") { Description = "How long several cascades are kept under way", HelpName = "seconds", DefaultValueFactory = _ => 10 };
    private readonly Option<int> _underWay = new("--under-way") { Description = "How many", HelpName = "count", DefaultValueFactory = _ => 8 };

    public AgentsBenchCommand()
        : base("agents", "Real agents on WebSockets: cascades, messages a second, memory")
    {
        foreach (Option option in (Option[])[_connections, _rounds, _seconds, _underWay]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh bench agents --connections 1000", "mesh bench agents --connections 10000 --json"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        AgentsArguments arguments = new(
            (int)Checked(_connections.Name, run.Parse.GetValue(_connections), 1, 100_000), (int)Checked(_rounds.Name, run.Parse.GetValue(_rounds), 1, 10_000),
            Checked(_seconds.Name, run.Parse.GetValue(_seconds), 0.1, 3_600), (int)Checked(_underWay.Name, run.Parse.GetValue(_underWay), 1, 64), run.Output.Note, run.Stop);
        AgentsResult result = await new AgentsBench(arguments).RunAsync().ConfigureAwait(false);
        run.Output.Result(result, console => Render(console, result));
        return result.Lost == 0 ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private static double Checked(string option, double value, double least, double most) => value >= least && value <= most
        ? value
        : throw new CliException(new CliError(ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"{option} is {value}; it must be {least} to {most}")));

    private static void Render(IAnsiConsole console, AgentsResult r)
    {
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{r.Connections:N0} agents connected in {r.ConnectS:0.0} s; the node grew by {r.ServerMbPer1000:0.0} MB for each 1,000"));
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"cascade: p50 {r.CascadeMs.P50:0} ms, p95 {r.CascadeMs.P95:0} ms in {r.Rounds} rounds; {r.AcksTallied:N0} acks tallied, {r.Lost:N0} lost"));
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{r.MessagesPerS:N0} messages/s with {r.MessagesPerFrame:0.0} messages a frame and {r.FramesPerSignature:0} frames a signature"));
    }
}

/// <summary>The process with the agents; nobody else calls it.</summary>
internal sealed class AgentsWorkerCommand : VerbCommand
{
    public AgentsWorkerCommand()
        : base(AgentsPlan.Verb, "The agents of mesh bench agents") => Hidden = true;

    public override IReadOnlyList<string> Examples { get; } = ["mesh bench agents"];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        await AgentsWorker.RunAsync(Console.In, Console.Out, run.Stop).ConfigureAwait(false);
        return ExitCode.Ok;
    }
}
