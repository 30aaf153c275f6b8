using System.Diagnostics;
using System.Runtime.CompilerServices;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Channels;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// Tasks a second in chains of 10, pushed, claimed and completed by workers of one process, every step durable before its reply. A worker pushes a
/// chain in one step when nothing is ready, claims, and completes each task while it claims the next in the same step. The limit writes the same
/// bytes a batch with nothing but pwrite and fdatasync; it runs by turns with the channel.
/// </summary>
internal sealed class ChannelBench : IBench
{
    internal const int WorkersDefault = 64;
    internal const int WorkersMax = 10_000;
    private const int ChainLength = 10;
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(5);

    public string Name => "channel";

    public string Summary => "Durable tasks a second in chains of 10: pushed, claimed, completed";

    public double? SecondsPerRun => 2;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        using BenchDisk disk = BenchDisk.Create(Name);
        double seconds = arguments.SecondsPerRun;
        _ = await HostAsync(disk.Fresh(), arguments.Agents, seconds / 2, oneByOne: false).ConfigureAwait(false);
        List<double> limit = [];
        List<Measured> runs = [];
        double[] values = await arguments.RepeatAsync(Name, async _ =>
        {
            Measured run = await HostAsync(disk.Fresh(), arguments.Agents, seconds, oneByOne: false).ConfigureAwait(false);
            runs.Add(run);
            limit.Add(disk.Bare((int)((run.Bytes + (run.Steps * RecordFrame.OverheadBytes)) / run.Batches), run.Tasks / run.Batches, seconds / 2));
            return run.TasksPerSecond;
        }).ConfigureAwait(false);
        Measured single = await HostAsync(disk.Fresh(), arguments.Agents, seconds, oneByOne: true).ConfigureAwait(false);
        double one = Folder(disk.Fresh(), seconds);
        double Median(Func<Measured, double> figure) => BenchReport.Quantile([.. runs.Select(figure)], 0.5);
        return new BenchReport
        {
            Bench = Name,
            Unit = "tasks/s",
            What = $"tasks in chains of {ChainLength} by {arguments.Agents} workers through ChannelHost: a chain pushed in one step, each task completed as the next is claimed, every step durable before its reply",
            Values = values,
            LimitWhat = "a bare loop of pwrite + fdatasync with the same bytes a batch",
            LimitValues = [.. limit],
            Aim = 30_000,
            LargerIsBetter = true,
            Extra =
            [
                ("workers", arguments.Agents), ("file_system", disk.FileSystem), ("steps_per_second", Median(r => r.Steps / r.Seconds)), ("fsyncs_per_second", Median(r => r.Batches / r.Seconds)),
                ("mean_batch_steps", Median(r => r.Steps / r.Batches)), ("bytes_per_task", Median(r => r.Bytes / r.Tasks)), ("step_p50_ms", Median(r => BenchReport.Quantile(r.StepMs, 0.5))),
                ("step_p99_ms", Median(r => BenchReport.Quantile(r.StepMs, 0.99))), ("cpu_us_per_task", Median(r => r.CpuUs / r.Tasks)), ("allocated_bytes_per_task", Median(r => r.Allocated / r.Tasks)),
                ("one_command_a_step_tasks_per_second", single.TasksPerSecond), ("folder_one_process_tasks_per_second", one),
            ],
        };
    }

    /// <summary>Workers on a host for a while.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="workers">How many at once.</param>
    /// <param name="seconds">How long.</param>
    /// <param name="oneByOne">Every push, claim and completion is a step of its own.</param>
    private static async Task<Measured> HostAsync(string folder, int workers, double seconds, bool oneByOne)
    {
        ChannelHost host = ChannelHost.Open(ChannelFolder.FindOrCreate(folder, "bench", null));
        await using ConfiguredAsyncDisposable close = host.ConfigureAwait(false);
        double cpu = Environment.CpuUsage.TotalTime.TotalMicroseconds;
        long allocated = GC.GetTotalAllocatedBytes();
        (long batches, long bytes) = (host.Batches, host.BytesPersisted);
        long from = Stopwatch.GetTimestamp();
        Worker[] all = [.. Enumerable.Range(0, workers).Select(i => new Worker(host, $"worker-{i}", oneByOne))];
        await Task.WhenAll(all.Select(w => Task.Run(() => w.RunAsync(() => Stopwatch.GetElapsedTime(from).TotalSeconds < seconds)))).ConfigureAwait(false);
        double elapsed = Stopwatch.GetElapsedTime(from).TotalSeconds;
        return new Measured(
            all.Sum(w => w.Done), all.Sum(w => w.Steps), host.Batches - batches, host.BytesPersisted - bytes, elapsed, [.. all.SelectMany(w => w.StepMs)],
            Environment.CpuUsage.TotalTime.TotalMicroseconds - cpu, GC.GetTotalAllocatedBytes() - allocated);
    }

    /// <summary>One process on a shared folder: every step takes the lock and syncs by itself.</summary>
    private static double Folder(string folder, double seconds)
    {
        using FolderChannel channel = FolderChannel.Open(ChannelFolder.FindOrCreate(folder, "bench", null));
        long done = 0;
        long from = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(from).TotalSeconds < seconds)
        {
            channel.Step(new ChannelCommand.PushAll(Chain));
            IReadOnlyList<ChannelEntry> held = channel.Step(new ChannelCommand.Claim("one", Lease)).Entries;
            for (; held.Count > 0; done++) held = [.. channel.Step(new ChannelCommand.CompleteAndClaim(held[0].Id, held[0].Token, null, "one", Lease)).Entries.Skip(1)];
        }
        return done / Stopwatch.GetElapsedTime(from).TotalSeconds;
    }

    private static ChannelCommand.Push[] Chain { get; } =
        [.. Enumerable.Range(0, ChainLength).Select(i => new ChannelCommand.Push($"step {i} of a build", i == 0 ? [] : [ChannelCommand.PushAll.Entry(i - 1)]))];

    private sealed record Measured(double Tasks, double Steps, double Batches, double Bytes, double Seconds, double[] StepMs, double CpuUs, double Allocated)
    {
        public double TasksPerSecond => Tasks / Seconds;
    }

    private sealed class Worker(ChannelHost host, string agent, bool oneByOne)
    {
        public long Done { get; private set; }

        public long Steps => StepMs.Count;

        public List<double> StepMs { get; } = [];

        public async Task RunAsync(Func<bool> goOn)
        {
            while (goOn())
            {
                await PushAsync().ConfigureAwait(false);
                IReadOnlyList<ChannelEntry> held = (await StepAsync(new ChannelCommand.Claim(agent, Lease)).ConfigureAwait(false)).Entries;
                while (held.Count > 0)
                {
                    ChannelEntry entry = held[^1];
                    if (oneByOne)
                    {
                        await StepAsync(new ChannelCommand.Complete(entry.Id, entry.Token, null)).ConfigureAwait(false);
                        Done++;
                        held = (await StepAsync(new ChannelCommand.Claim(agent, Lease)).ConfigureAwait(false)).Entries;
                    }
                    else
                    {
                        IReadOnlyList<ChannelEntry> reply = (await StepAsync(new ChannelCommand.CompleteAndClaim(entry.Id, entry.Token, null, agent, Lease)).ConfigureAwait(false)).Entries;
                        Done++;
                        held = reply.Count > 1 ? reply : [];
                    }
                }
            }
        }

        private async Task PushAsync()
        {
            if (!oneByOne)
            {
                await StepAsync(new ChannelCommand.PushAll(Chain)).ConfigureAwait(false);
                return;
            }
            ChannelEntry? last = null;
            foreach (ChannelCommand.Push push in Chain)
                last = (await StepAsync(push with { DependsOn = last is null ? [] : [last.Id] }).ConfigureAwait(false)).Entries[0];
        }

        private async ValueTask<ChannelReply> StepAsync(ChannelCommand command)
        {
            long from = Stopwatch.GetTimestamp();
            ChannelReply reply = await host.StepAsync(command).ConfigureAwait(false);
            StepMs.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
            return reply;
        }
    }
}
