using System.Globalization;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Bench;

/// <summary>What a simulation was asked for, checked before anything is built: every mistake is one message. Immutable.</summary>
/// <param name="Agents">1 to <see cref="AgentsMax"/>.</param>
/// <param name="Operations">At least 1.</param>
/// <param name="Workers">Threads, at least 1; they change nothing but the time it takes.</param>
internal sealed record SimulationInput(int Agents, int Operations, PlannerKind Planner, ulong Seed, int Workers, OperationSpec Spec, FleetBlueprint Fleet)
{
    public const int AgentsMax = 10_000_000;

    public const int OperationsMax = 1_000_000;

    public const int WorkersMax = 1_024;

    /// <summary>The planners as they are named on the command line, by <see cref="PlannerKind"/>.</summary>
    public static readonly string[] PlannerNames = ["learned", "spec", "fire-now", "oracle"];

    /// <summary>Measured with <c>mesh bench scale</c>; rounded up. The mesh's own records and the simulated agents, in bytes an agent.</summary>
    private const long BytesPerAgent = 4_000;

    /// <summary>Throws a <see cref="CliException"/> that says what is wrong.</summary>
    public static void CheckNumbers(int agents, int operations, int workers)
    {
        Require(agents is >= 1 and <= AgentsMax, "agents", agents, 1, AgentsMax);
        Require(operations is >= 1 and <= OperationsMax, "operations", operations, 1, OperationsMax);
        Require(workers is >= 1 and <= WorkersMax, "workers", workers, 1, WorkersMax);
        long needs = agents * BytesPerAgent;
        long has = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (needs > has)
        {
            throw new CliException(new CliError(
                ExitCode.Usage, "not_enough_memory",
                string.Create(CultureInfo.InvariantCulture, $"{agents} agents need about {needs >> 20} MiB, and {has >> 20} MiB are there"), "Use fewer agents."));
        }
    }

    public static OperationSpec Checked(OperationSpec spec) =>
        spec.Validate() is { } wrong ? throw new CliException(new CliError(ExitCode.Usage, "bad_operation", wrong)) : spec;

    /// <summary>Builds the fleet; traces are read from files.</summary>
    public static FleetBlueprint BuildFleet(int agents, ulong seed, string? networkTrace, ServiceTraceSource? service)
    {
        try
        {
            return new FleetBlueprint(new FleetOptions
            {
                Agents = agents,
                Seed = seed,
                NetworkTrace = networkTrace is null ? null : NetworkTrace.Load(networkTrace),
                ServiceTrace = service is null ? null : ServiceTrace.Load(service.File, service.Column, service.Group),
            });
        }
        catch (FleetInputException wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "bad_trace", wrong.Message.ReplaceLineEndings(" ")));
        }
    }

    private static void Require(bool holds, string option, int value, int least, int most)
    {
        if (holds) return;
        throw new CliException(new CliError(
            ExitCode.Usage, "bad_value", string.Create(CultureInfo.InvariantCulture, $"--{option} is {value}; it must be {least} to {most}")));
    }
}

/// <summary>A table of recorded durations: the file, the column of milliseconds, and the column whose value tells groups apart.</summary>
internal sealed record ServiceTraceSource(string File, string Column, string? Group);
