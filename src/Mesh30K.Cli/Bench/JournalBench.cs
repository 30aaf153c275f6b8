using System.Diagnostics;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Runtime;
using Mesh30K.Node.Storage;
using Microsoft.Win32.SafeHandles;

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
    private const int RecordBytes = PayloadBytes + RecordFrame.OverheadBytes;

    public string Name => "journal";

    public string Summary => "Durable appends a second of many callers, in group commit";

    public double? SecondsPerRun => 2;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-bench-journal-");
        try
        {
            string fileSystem = new DriveInfo(folder.FullName).DriveFormat;
            if (fileSystem is "tmpfs" or "ramfs")
                throw new CliException(new CliError(ExitCode.Usage, "no_disk", $"the temporary folder is on {fileSystem}, where nothing is durable", "set TMPDIR to a folder on a disk"));
            return await RunAsync(arguments, folder.FullName, fileSystem).ConfigureAwait(false);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task<BenchReport> RunAsync(BenchArguments arguments, string folder, string fileSystem)
    {
        double seconds = arguments.SecondsPerRun;
        int made = 0;
        string Fresh() => Path.Combine(folder, $"{made++}");
        _ = await AppendAsync(Fresh(), arguments.Agents, seconds / 2).ConfigureAwait(false);
        List<double> limit = [], batch = [], one = [], bare = [];
        double[] values = await arguments.RepeatAsync(Name, async _ =>
        {
            (double perSecond, double perBatch) = await AppendAsync(Fresh(), arguments.Agents, seconds).ConfigureAwait(false);
            batch.Add(perBatch);
            limit.Add(Bare(Fresh(), perBatch, seconds / 2));
            one.Add((await AppendAsync(Fresh(), 1, seconds / 4).ConfigureAwait(false)).PerSecond);
            bare.Add(Bare(Fresh(), 1, seconds / 4));
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
                ("callers", arguments.Agents), ("file_system", fileSystem), ("mean_batch_records", BenchReport.Quantile(batch, 0.5)),
                ("one_caller_appends_per_second", BenchReport.Quantile(one, 0.5)), ("bare_one_record_appends_per_second", BenchReport.Quantile(bare, 0.5)),
            ],
        };
    }

    private static async Task<(double PerSecond, double PerBatch)> AppendAsync(string folder, int callers, double seconds)
    {
        JournalFolder journal = JournalFolder.Open(folder);
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

    /// <summary>Records a second of a loop that does nothing but write and sync.</summary>
    private static double Bare(string path, double recordsPerBatch, double seconds)
    {
        byte[] batch = new byte[(int)(recordsPerBatch * RecordBytes)];
        new Random(1).NextBytes(batch);
        using SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        long batches = 0;
        long from = Stopwatch.GetTimestamp();
        for (; Stopwatch.GetElapsedTime(from).TotalSeconds < seconds; batches++)
        {
            RandomAccess.Write(file, batch, batches * batch.Length);
            DiskSync.Data(file);
        }
        return batches * recordsPerBatch / Stopwatch.GetElapsedTime(from).TotalSeconds;
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
