using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Hosting;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// Messages a second through the whole in-process path, sustained: cascades to agents that answer at once, several under way at any time.
/// A send is a message and an ack is a message; orders, reports and summaries are carried too but not counted. The estimators learn from every ack.
/// </summary>
internal sealed class BusBench : IBench
{
    private const int UnderWay = 3;

    public string Name => "bus";

    public string Summary => "Messages a second through the whole in-process path";

    public double? SecondsPerRun => 2;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        MeshHost host = BenchFleet.Host(arguments.Agents);
        await using ConfiguredAsyncDisposable stop = host.ConfigureAwait(false);
        InstantLink link = new(host, host.Clock);
        host.Connect(link);
        host.Start();
        await RunForAsync(host, arguments, arguments.SecondsPerRun / 2).ConfigureAwait(false);
        List<double> nsPerMessage = [];
        double[] values = await arguments.RepeatAsync(Name, async _ =>
        {
            long answered = link.Answered;
            double cpu = ThreadCpu.Ms("mesh-");
            double seconds = await RunForAsync(host, arguments, arguments.SecondsPerRun).ConfigureAwait(false);
            long messages = 2 * (link.Answered - answered);
            nsPerMessage.Add((ThreadCpu.Ms("mesh-") - cpu) * 1e6 / messages);
            return messages / seconds;
        }).ConfigureAwait(false);
        double[] limit = await arguments.RepeatAsync("bus limit", _ => ChannelAsync(Math.Min(0.5, arguments.SecondsPerRun))).ConfigureAwait(false);
        return new BenchReport
        {
            Bench = Name,
            Unit = "msg/s",
            What = $"sends + acks a second over cascades with {UnderWay} under way, planned, sent, acked, tallied and learned from",
            Values = values,
            LimitWhat = "one reference a message through a bare unbounded Channel, one writer, one reader",
            LimitValues = limit,
            Aim = 1_000_000,
            LargerIsBetter = true,
            Extra =
            [
                ("agents", arguments.Agents), ("loops", host.Loops), ("seconds_per_run", arguments.SecondsPerRun),
                ("cpu_ns_per_message", BenchReport.Quantile(nsPerMessage, 0.5)), ("lost_batches", host.LostBatches),
            ],
        };
    }

    /// <summary>Keeps cascades under way for a while; returns the seconds until the last one ended.</summary>
    private static async Task<double> RunForAsync(MeshHost host, BenchArguments arguments, double seconds)
    {
        long from = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, UnderWay).Select(_ => Task.Run(async () =>
        {
            do
            {
                OperationResult result = await host.RunAsync(CascadeBench.Spec, arguments.Stop).ConfigureAwait(false);
                CascadeBench.Check(result, arguments.Agents);
            }
            while (Stopwatch.GetElapsedTime(from).TotalSeconds < seconds);
        }))).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(from).TotalSeconds;
    }

    private static async Task<double> ChannelAsync(double seconds)
    {
        Channel<object> channel = Channel.CreateUnbounded<object>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        object message = new();
        long from = Stopwatch.GetTimestamp();
        Task<long> reader = Task.Run(async () =>
        {
            long read = 0;
            while (await channel.Reader.WaitToReadAsync().ConfigureAwait(false))
                while (channel.Reader.TryRead(out _)) read++;
            return read;
        });
        await Task.Run(() =>
        {
            while (Stopwatch.GetElapsedTime(from).TotalSeconds < seconds)
                for (int i = 0; i < 1_000; i++) channel.Writer.TryWrite(message);
            channel.Writer.Complete();
        }).ConfigureAwait(false);
        long count = await reader.ConfigureAwait(false);
        return count / Stopwatch.GetElapsedTime(from).TotalSeconds;
    }
}
