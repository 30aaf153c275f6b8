using System.Diagnostics;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// Reads of random agents' snapshots by id while another thread publishes as a node does: a twentieth of all agents every 50 ms.
/// </summary>
/// <remarks>
/// The ids are other strings than the registry's own, made from numbers just before each block of reads, as those of a request are made by
/// its parser: they lie in the cache and the registry's do not. The making is not timed. A list of a million ids made beforehand was
/// refused: reading it streams 50 MB through the cache in which the tables lie. The limit runs by turns with the registry, under the same
/// writer.
/// </remarks>
internal sealed class RegistryBench : IBench
{
    private const int Block = 250;
    private const int Reads = 1_000_000;

    public string Name => "registry";

    public string Summary => "One read of a random agent while a writer publishes";

    public double? SecondsPerRun => null;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        MeshHost host = BenchFleet.Host(arguments.Agents);
        ImpedanceRegistry registry = host.Registry;
        AgentId[] known = [.. registry.All.Select(a => a.AgentId)];
        FleetBlueprint fleet = BenchFleet.Of(arguments.Agents);
        Dictionary<string, object> dictionary = known.ToDictionary(id => new string(id.Value.AsSpan()), _ => new object(), StringComparer.Ordinal);
        double Registry() => NsPerRead(fleet, id => registry.Find(new AgentId(id)));
        double Dictionary() => NsPerRead(fleet, id => dictionary.TryGetValue(id, out object? value) ? value : null);
        double Nothing() => NsPerRead(fleet, static id => id);
        for (int i = 0; i < 3; i++) _ = Registry() + Dictionary() + Nothing();

        List<double> limit = [];
        List<double> harness = [];
        double RegistryThenLimit()
        {
            double ns = Registry();
            limit.Add(Dictionary());
            harness.Add(Nothing());
            return ns;
        }
        RegistryCell[] cells = [.. known.Select(id => registry.FindCell(id)!)];
        (double[] values, long published) = await WhileWritingAsync(cells, 50, () => arguments.RepeatAsync(Name, RegistryThenLimit)).ConfigureAwait(false);
        (double[] hard, long hardPublished) = await WhileWritingAsync(cells, 0, () => arguments.RepeatAsync("registry, writer at full speed", Registry)).ConfigureAwait(false);
        await host.StopAsync(TimeSpan.FromSeconds(5)).ConfigureAwait(false);
        return new BenchReport
        {
            Bench = Name,
            Unit = "ns",
            What = "one Find of a random id, the harness included, while a thread publishes every agent once a second; mean of 1,000,000 reads a run",
            Values = values,
            LimitWhat = "one probe of a bare Dictionary<string, object>, same ids, same writer",
            LimitValues = [.. limit],
            Aim = 100,
            Extra =
            [
                ("agents", arguments.Agents), ("reads_per_run", Reads), ("harness_ns", BenchReport.Quantile(harness, 0.5)), ("published", published),
                ("writer_at_full_speed_ns", BenchReport.Quantile(hard, 0.5)), ("published_at_full_speed", hardPublished),
            ],
        };
    }

    private static double NsPerRead(FleetBlueprint fleet, Func<string, object?> read)
    {
        Random random = new(1);
        string[] asked = new string[Block];
        long ticks = 0;
        int found = 0;
        for (int done = 0; done < Reads; done += Block)
        {
            foreach (ref string id in asked.AsSpan()) id = fleet.IdOf(random.Next(fleet.Agents)).Value;
            long from = Stopwatch.GetTimestamp();
            foreach (string id in asked)
                if (read(id) is not null) found++;
            ticks += Stopwatch.GetTimestamp() - from;
        }
        return found == Reads ? ticks * 1e9 / Stopwatch.Frequency / Reads : throw new InvalidOperationException("an agent is missing");
    }

    private static async Task<(double[] Values, long Published)> WhileWritingAsync(RegistryCell[] cells, int pauseMs, Func<Task<double[]>> read)
    {
        using CancellationTokenSource done = new();
        Task<long> writer = Task.Factory.StartNew(() => Write(cells, pauseMs, done.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        double[] values = await read().ConfigureAwait(false);
        await done.CancelAsync().ConfigureAwait(false);
        return (values, await writer.ConfigureAwait(false));
    }

    private static long Write(RegistryCell[] cells, int pauseMs, CancellationToken done)
    {
        AgentImpedance[] fresh = [.. cells.Select(c => c.Current with { CurrentQueueDepth = 1 })];
        long published = 0;
        int part = Math.Max(1, cells.Length / 20);
        for (int at = 0; !done.IsCancellationRequested; at = (at + 1) % cells.Length)
        {
            (AgentImpedance old, RegistryCell cell) = (cells[at].Current, cells[at]);
            cell.Publish(fresh[at]);
            fresh[at] = old;
            if (++published % part == 0 && pauseMs > 0) done.WaitHandle.WaitOne(pauseMs);
        }
        return published;
    }
}
