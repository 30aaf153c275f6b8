using System.Diagnostics;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol;
using Mesh30K.Simulation.Fleet;
using Mesh30K.Simulation.Virtual;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// How the cost of an operation grows with the number of agents: the virtual mesh at 3,000 agents, ten times as many, and so on. The cost is
/// processor time of the whole process (collector included), so that other load and the number of threads count as little as can be. Small
/// sizes are repeated with other seeds, so that a size is never one lucky moment between two collections. A run is the n-th measured operation
/// at every size: its exponent is the slope of log cost over log agents.
/// </summary>
internal sealed class ScaleBench : IBench
{
    public const int AgentsMaxDefault = 3_000_000;

    private const int Smallest = 3_000;
    private const int WarmUpOperations = 2;
    private const int AgentsPerSize = 300_000;
    private const int RecordBytes = 600;

    private sealed record SizeCost(int Agents, double[] CpuMs, double BuildMs, double PeakMb);

    public string Name => "scale";

    public string Summary => "Growth of the simulation's cost with the number of agents";

    public double? SecondsPerRun => null;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        int[] sizes = Sizes(arguments.Agents);
        await Task.Run(() => Measure(sizes[0], arguments with { Runs = 20 }), arguments.Stop).ConfigureAwait(false);
        double[][] pass = [.. sizes.Select(n => PassOver(n, arguments.Runs))];
        List<SizeCost> costs = [];
        foreach (int size in sizes)
        {
            SizeCost cost = Measure(size, arguments);
            costs.Add(cost);
            arguments.Progress(FormattableString.Invariant(
                $"scale: {size} agents: {BenchReport.Quantile(cost.CpuMs, 0.5) * 1e6 / size:F0} ns an agent and operation, {cost.PeakMb:F0} MiB at most"));
        }
        double[] values = [.. Enumerable.Range(0, arguments.Runs).Select(i => Slope(sizes, [.. costs.Select(c => c.CpuMs[i])]))];
        double[] limit = [.. Enumerable.Range(0, arguments.Runs).Select(i => Slope(sizes, [.. pass.Select(p => p[i])]))];
        return new BenchReport
        {
            Bench = Name,
            Unit = "exponent",
            What = "slope of log(processor time of an operation) over log(agents); 1 is linear",
            Values = values,
            LimitWhat = $"the same slope for one pass over as many objects of {RecordBytes} bytes: what caches alone do",
            LimitValues = limit,
            Aim = 1.05,
            Extra =
            [
                ("operations", WarmUpOperations + arguments.Runs), ("workers", Environment.ProcessorCount),
                ("sizes", costs.Select(Tell).ToArray()), ("peak_resident_mb", ProcessMemory.PeakResidentMb()),
            ],
        };
    }

    /// <summary>3,000 and powers of ten of it up to the largest asked for; that one too when it is not among them.</summary>
    internal static int[] Sizes(int agentsMax)
    {
        List<int> sizes = [];
        for (long n = Math.Min(Smallest, Math.Max(1, agentsMax / 10)); n < agentsMax; n *= 10) sizes.Add((int)n);
        sizes.Add(Math.Max(2, agentsMax));
        return [.. sizes];
    }

    private static Dictionary<string, object> Tell(SizeCost cost) => new(StringComparer.Ordinal)
    {
        ["agents"] = cost.Agents,
        ["cpu_ms_per_operation"] = Math.Round(BenchReport.Quantile(cost.CpuMs, 0.5), 3),
        ["ns_per_agent_operation"] = Math.Round(BenchReport.Quantile(cost.CpuMs, 0.5) * 1e6 / cost.Agents, 1),
        ["build_ms"] = Math.Round(cost.BuildMs, 1),
        ["peak_resident_mb"] = cost.PeakMb,
    };

    private static SizeCost Measure(int agents, BenchArguments arguments)
    {
        int repeats = Math.Clamp(AgentsPerSize / agents, 1, 20);
        double[] cpuMs = new double[arguments.Runs];
        double buildMs = 0;
        for (int r = 0; r < repeats; r++)
        {
            long from = Stopwatch.GetTimestamp();
            VirtualMesh mesh = Build(agents, (ulong)r + 1);
            buildMs += Stopwatch.GetElapsedTime(from).TotalMilliseconds / repeats;
            for (int i = -WarmUpOperations; i < arguments.Runs; i++)
            {
                arguments.Stop.ThrowIfCancellationRequested();
                TimeSpan before = Environment.CpuUsage.TotalTime;
                mesh.Run(new OperationSpec());
                if (i >= 0) cpuMs[i] += (Environment.CpuUsage.TotalTime - before).TotalMilliseconds / repeats;
            }
        }
        return new SizeCost(agents, cpuMs, buildMs, ProcessMemory.PeakResidentMb());
    }

    private static VirtualMesh Build(int agents, ulong seed)
    {
        int workers = Environment.ProcessorCount;
        FleetBlueprint fleet = new(new FleetOptions { Agents = agents, Seed = seed });
        return new VirtualMesh(fleet, new MeshSettings { Shape = MeshShape.For(agents) }, new VirtualMeshOptions
        {
            Planner = PlannerKind.Learned,
            Workers = workers,
            ForEach = (count, body) => Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = workers }, body),
        });
    }

    private static double[] PassOver(int objects, int runs)
    {
        byte[][] records = [.. Enumerable.Range(0, objects).Select(_ => new byte[RecordBytes])];
        double[] ms = new double[runs];
        int passes = Math.Max(1, AgentsPerSize / objects);
        for (int i = -1; i < runs; i++)
        {
            long from = Stopwatch.GetTimestamp();
            for (int p = 0; p < passes; p++)
                foreach (byte[] record in records) record[RecordBytes / 2]++;
            if (i >= 0) ms[i] = Stopwatch.GetElapsedTime(from).TotalMilliseconds / passes;
        }
        return ms;
    }

    /// <summary>Least squares over logarithms.</summary>
    private static double Slope(int[] sizes, double[] costs)
    {
        Invariant.Check(sizes.Length == costs.Length && sizes.Length >= 2);
        double[] x = [.. sizes.Select(s => Math.Log(s))];
        double[] y = [.. costs.Select(c => Math.Log(Math.Max(1e-9, c)))];
        double meanX = x.Average();
        double meanY = y.Average();
        return x.Zip(y, (a, b) => (a - meanX) * (b - meanY)).Sum() / x.Sum(a => (a - meanX) * (a - meanX));
    }
}
