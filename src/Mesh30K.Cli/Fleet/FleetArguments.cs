using System.CommandLine;
using Mesh30K.Cli.Commands;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Fleet;

/// <summary>The options by which verbs choose a simulated fleet. Add them to a verb, then ask for the blueprint.</summary>
internal sealed class FleetArguments
{
    private readonly Option<int> _agents;
    private readonly Option<long> _seed;
    private readonly Option<string?> _networkTrace = new("--network-trace") { Description = "Folder of recorded round trips (epoch;rtt;cp) that drive the network delay", HelpName = "dir" };
    private readonly Option<string?> _serviceTrace = new("--service-trace") { Description = "CSV file of recorded service times", HelpName = "file" };
    private readonly Option<string?> _serviceColumn = new("--service-column") { Description = "Column of the service trace that holds milliseconds (a final * matches several)", HelpName = "name" };
    private readonly Option<string?> _serviceGroup = new("--service-group") { Description = "Columns by which rows of the service trace belong together, comma-separated", HelpName = "names" };

    public FleetArguments(Command verb)
    {
        _agents = new Option<int>("--agents") { Description = "Agents in the fleet", HelpName = "n", DefaultValueFactory = _ => 30_000 };
        _seed = new Option<long>("--seed") { Description = "Seed of everything random", HelpName = "n", DefaultValueFactory = _ => 1 };
        verb.Add(_agents);
        verb.Add(_seed);
        verb.Add(_networkTrace);
        verb.Add(_serviceTrace);
        verb.Add(_serviceColumn);
        verb.Add(_serviceGroup);
    }

    /// <summary>The fleet that the command line describes. Throws a <see cref="CliException"/> that says what is wrong.</summary>
    public FleetBlueprint Load(VerbRun run)
    {
        int count = run.Parse.GetValue(_agents);
        if (count is < 1 or > 10_000_000) throw Bad($"--agents must be 1 to 10000000, was {count}", "Give a number of agents, for example --agents 30000.");
        long seeded = run.Parse.GetValue(_seed);
        if (seeded < 0) throw Bad($"--seed must be at least 0, was {seeded}", "Give a whole number, for example --seed 7.");
        string? file = run.Parse.GetValue(_serviceTrace);
        string? column = run.Parse.GetValue(_serviceColumn);
        if (file is null != column is null)
            throw Bad("--service-trace and --service-column belong together", "For example: --service-trace requests.csv --service-column ttft_ms");
        if (file is null && run.Parse.GetValue(_serviceGroup) is not null)
            throw Bad("--service-group needs --service-trace", "Name the file with --service-trace and the column with --service-column.");
        try
        {
            return new FleetBlueprint(new FleetOptions
            {
                Agents = count,
                Seed = (ulong)seeded,
                NetworkTrace = run.Parse.GetValue(_networkTrace) is { } folder ? NetworkTrace.Load(run.PathOf(folder)) : null,
                ServiceTrace = file is null ? null : ServiceTrace.Load(run.PathOf(file), column!, run.Parse.GetValue(_serviceGroup)),
            });
        }
        catch (FleetInputException wrong)
        {
            throw Bad(wrong.Message, "Check the path and the columns of the trace.");
        }
    }

    /// <summary>The seed as given.</summary>
    public long Seed(VerbRun run) => run.Parse.GetValue(_seed);

    private static CliException Bad(string message, string hint) => new(new CliError(ExitCode.Usage, "bad_value", message, hint));
}
