using System.Diagnostics;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// Durable appends a second through group commit: callers that each append a record of 100 bytes, wait until it is durable, and go on. The limit
/// writes the same bytes a batch, of the size that was seen, with nothing but pwrite and fdatasync; it runs by turns with the journal.
/// </summary>
internal sealed class JournalBench : IBench
{
    internal const int CallersDefault = 64;
    internal const int CallersMax = 10_000;
    private const int PayloadBytes = 100;
    private const int PreallocateBytes = 4 << 20;
    private const int RecordBytes = PayloadBytes + RecordFrame.OverheadBytes;

    public string Name => "journal";

    public string Summary => "Durable appends a second of many callers, in group commit";

    public double? SecondsPerRun => 2;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        using BenchDisk disk = BenchDisk.Create(Name);
        double seconds = arguments.SecondsPerRun;
        _ = await AppendAsync(disk.Fresh(), arguments.Agents, seconds / 2).ConfigureAwait(false);
        List<double> limit = [], batch = [], one = [], ahead = [], bare = [], bareAhead = [];
        double[] values = await arguments.RepeatAsync(Name, async _ =>
        {
            (double perSecond, double perBatch) = await AppendAsync(disk.Fresh(), arguments.Agents, seconds).ConfigureAwait(false);
            batch.Add(perBatch);
            limit.Add(disk.Bare((int)(perBatch * RecordBytes), perBatch, seconds / 2));
            one.Add((await AppendAsync(disk.Fresh(), 1, seconds / 4).ConfigureAwait(false)).PerSecond);
            bare.Add(disk.Bare(RecordBytes, 1, seconds / 4));
            ahead.Add((await AppendAsync(disk.Fresh(), 1, seconds / 4, PreallocateBytes).ConfigureAwait(false)).PerSecond);
            bareAhead.Add(disk.Bare(RecordBytes, 1, seconds / 4, PreallocateBytes));
            return perSecond;
        }).ConfigureAwait(false);
        return new BenchReport
        {
            Bench = Name,
            Unit = "appends/s",
            What = $"records of {PayloadBytes} bytes, each awaited until durable, of {arguments.Agents} callers through GroupCommit",
            Values = values,
            LimitWhat = "a bare loop of pwrite + fdatasync with the same bytes a batch",
            LimitValues = [.. limit],
            Aim = 50_000,
            LargerIsBetter = true,
            Extra =
            [
                ("callers", arguments.Agents), ("file_system", disk.FileSystem), ("mean_batch_records", BenchReport.Quantile(batch, 0.5)),
                ("one_caller_appends_per_second", BenchReport.Quantile(one, 0.5)), ("bare_one_record_appends_per_second", BenchReport.Quantile(bare, 0.5)),
                ("one_caller_preallocated_appends_per_second", BenchReport.Quantile(ahead, 0.5)), ("bare_one_record_preallocated_appends_per_second", BenchReport.Quantile(bareAhead, 0.5)),
            ],
        };
    }

    private static async Task<(double PerSecond, double PerBatch)> AppendAsync(string folder, int callers, double seconds, int preallocateBytes = 0)
    {
        JournalFolder journal = JournalFolder.Open(folder, new JournalOptions { PreallocateBytes = preallocateBytes });
        if (!journal.TryLock(TimeSpan.Zero)) throw new InvalidOperationException("a fresh journal is locked");
        journal.CatchUp(new NoReader());
        GroupCommit commit = GroupCommit.Start(journal);
        byte[] payload = new byte[PayloadBytes];
        new Random(1).NextBytes(payload);
        long from = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(from).TotalSeconds < seconds) await commit.WhenDurableAsync(commit.Enqueue(1, payload)).ConfigureAwait(false);
        }))).ConfigureAwait(false);
        double elapsed = Stopwatch.GetElapsedTime(from).TotalSeconds;
        long appended = commit.Durable;
        await commit.DisposeAsync().ConfigureAwait(false);
        return (appended / elapsed, (double)appended / commit.Batches);
    }

    private sealed class NoReader : IJournalReader
    {
        public void Reset()
        {
            // nothing is kept
        }

        public void Apply(in JournalRecord record)
        {
            // nothing is kept
        }
    }
}
