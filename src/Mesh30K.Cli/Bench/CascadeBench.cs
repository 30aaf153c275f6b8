using System.Diagnostics;
using System.Runtime.CompilerServices;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// A cascade to agents that answer at once: submission → orchestrator → sectors → leads → plan → link → ack → lead → sector → orchestrator →
/// quorum → result, with a real host, every send and ack its own. Runs are paced: the next cascade is submitted when the estimators
/// have learned from the one before. Back to back is told beside it.
/// </summary>
internal sealed class CascadeBench : IBench
{
    private const int CascadesPerRun = 15;
    private const int WarmUp = 60;

    /// <summary>
    /// Sent at once: agents that answer at once leave nothing to aim at, and waiting for T would be measured instead of the mesh. It ends when all have answered, so the wide window costs no time, and a
    /// machine that stands still for a second does not break a run off.
    /// </summary>
    internal static readonly OperationSpec Spec = CascadePhases.Defaults(CascadeStrategy.Parallel) with { Planner = PlannerKind.FireNow, WindowMs = 30_000, TimeoutMs = 60_000 };

    public string Name => "cascade";

    public string Summary => "Cascade to agents that answer at once, every ack tallied";

    public double? SecondsPerRun => null;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        MeshHost host = BenchFleet.Host(arguments.Agents);
        await using ConfiguredAsyncDisposable stop = host.ConfigureAwait(false);
        host.Connect(new InstantLink(host, host.Clock));
        host.Start();
        for (int i = 0; i < WarmUp; i++)
        {
            arguments.Stop.ThrowIfCancellationRequested();
            await OneAsync(host, arguments).ConfigureAwait(false);
        }

        List<double> settled = [];
        List<double> cpu = [];
        List<double> all = [];
        double[] values = await arguments.RepeatAsync(Name, async _ =>
        {
            List<double> ms = [];
            double cpuBefore = ThreadCpu.Ms("mesh-");
            for (int i = 0; i < CascadesPerRun; i++)
            {
                (double result, double learned) = await OneAsync(host, arguments).ConfigureAwait(false);
                ms.Add(result);
                settled.Add(learned);
            }
            cpu.Add((ThreadCpu.Ms("mesh-") - cpuBefore) / CascadesPerRun);
            all.AddRange(ms);
            return BenchReport.Quantile(ms, 0.5);
        }).ConfigureAwait(false);
        double[] back = await arguments.RepeatAsync("cascade back to back", _ => BackToBackAsync(host, arguments.Agents)).ConfigureAwait(false);
        double[] limit = await arguments.RepeatAsync("cascade limit", () => ReferencesThroughArrays(arguments.Agents, host.Mesh.Settings.Shape.Clusters)).ConfigureAwait(false);
        return new BenchReport
        {
            Bench = Name,
            Unit = "ms",
            What = "submit to result over all agents in process, every ack tallied lead → sector → orchestrator → quorum; a run is the median of 15, paced",
            Values = values,
            LimitWhat = "one reference an agent through one array a cluster, filled and read",
            LimitValues = limit,
            Aim = 10,
            Extra =
            [
                ("agents", arguments.Agents), ("loops", host.Loops), ("cascades", all.Count), ("p95_ms", BenchReport.Quantile(all, 0.95)),
                ("settled_ms", BenchReport.Quantile(settled, 0.5)), ("cpu_ms", BenchReport.Quantile(cpu, 0.5)),
                ("back_to_back_ms", BenchReport.Quantile(back, 0.5)), ("lost_batches", host.LostBatches),
                ("harness_ms", await SubmitCostAsync(host).ConfigureAwait(false)), ("peak_resident_mb", ProcessMemory.PeakResidentMb()),
            ],
        };
    }

    /// <summary>One cascade: ms to its result, and ms until everything was learned.</summary>
    private static async Task<(double Result, double Settled)> OneAsync(MeshHost host, BenchArguments arguments)
    {
        long from = Stopwatch.GetTimestamp();
        OperationResult result = await host.RunAsync(Spec, arguments.Stop).ConfigureAwait(false);
        double ms = Stopwatch.GetElapsedTime(from).TotalMilliseconds;
        Check(result, arguments.Agents);
        // Read from outside the loops: a flag seen too late only lengthens this figure.
        while (host.Mesh.Units.Any(u => u.HasUnsettled)) PreciseSleep.Until(host.Clock, host.Clock.Now.PlusMs(0.1));
        return (ms, Stopwatch.GetElapsedTime(from).TotalMilliseconds);
    }

    private static async Task<double> BackToBackAsync(MeshHost host, int agents)
    {
        long from = Stopwatch.GetTimestamp();
        for (int i = 0; i < CascadesPerRun; i++) Check(await host.RunAsync(Spec).ConfigureAwait(false), agents);
        return Stopwatch.GetElapsedTime(from).TotalMilliseconds / CascadesPerRun;
    }

    internal static void Check(OperationResult result, int agents) =>
        Invariant.Check(result.Report.Counts.Ready == agents, $"{result.Report.Counts.Ready} of {agents} agents answered READY");

    /// <summary>What the bench's own way in and out costs: an operation for nobody.</summary>
    private static async Task<double> SubmitCostAsync(MeshHost host)
    {
        OperationSpec nobody = Spec with { Cascade = null, Selector = new Selector { Scope = SelectorScope.Cluster, Capability = "nobody can" } };
        List<double> ms = [];
        for (int i = 0; i < 20; i++)
        {
            long from = Stopwatch.GetTimestamp();
            await host.RunAsync(nobody).ConfigureAwait(false);
            ms.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
        }
        return BenchReport.Quantile(ms, 0.5);
    }

    private static double ReferencesThroughArrays(int agents, int clusters)
    {
        object[] references = [.. Enumerable.Range(0, agents).Select(_ => new object())];
        object[][] arrays = [.. Enumerable.Range(0, clusters).Select(_ => new object[(agents + clusters - 1) / clusters])];
        List<double> ms = [];
        long seen = 0;
        for (int round = 0; round < 20; round++)
        {
            long from = Stopwatch.GetTimestamp();
            for (int i = 0; i < agents; i++) arrays[i % clusters][i / clusters] = references[i];
            foreach (object[] array in arrays)
            {
                foreach (object reference in array)
                    if (reference is not null) seen++;
            }
            ms.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
        }
        Invariant.Check(seen == 20L * agents);
        return BenchReport.Quantile(ms, 0.5);
    }
}
