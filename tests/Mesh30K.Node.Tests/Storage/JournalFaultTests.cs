using System.Globalization;
using Mesh30K.Node.Runtime;
using Mesh30K.Node.Storage;

namespace Mesh30K.Node.Tests.Storage;

/// <summary>Faults of the disk, kills and power losses at every step, and a random life against a list.</summary>
public sealed class JournalFaultTests : IDisposable
{
    private static readonly JournalOptions Small = new() { SegmentBytes = 600 };

    /// <summary>Lives of each case; <c>MESH_JOURNAL_LIVES</c> asks for more.</summary>
    private static readonly int Lives = int.Parse(Environment.GetEnvironmentVariable("MESH_JOURNAL_LIVES") ?? "10", CultureInfo.InvariantCulture);

    private readonly JournalBox _box = new();

    public void Dispose() => _box.Dispose();

    [Theory]
    [InlineData("sync", 5, "sync_failed")]
    [InlineData("write", 28, "full")]
    [InlineData("write", 5, "io_failed")]
    public void A_failed_commit_acknowledges_nothing_and_ends_the_handle(string what, int error, string code)
    {
        FaultyDisk disk = new(new Random(1));
        JournalFolder journal = _box.Locked(new Heard(), files: disk);
        JournalBox.Append(journal, "one");
        int failed = 0;
        disk.Fail = call => call != what || failed++ > 0 ? null : what == "sync" ? new SyncFailedException("error 5") : new IOException("refused", error);
        Assert.Equal(code, Assert.Throws<JournalException>(() => JournalBox.Append(journal, "two", "three")).Code);
        disk.Fail = _ => null;
        long calls = disk.Calls;
        Assert.Equal(code, Assert.Throws<JournalException>(() => JournalBox.Append(journal, "four")).Code);
        Assert.Throws<JournalException>(() => journal.CatchUp(new Heard()));
        Assert.Equal(calls, disk.Calls);
        journal.Dispose();
        Assert.Equal(["one"], _box.ReadAll().Records);
    }

    [Fact]
    public async Task A_failed_sync_reaches_every_waiter_and_every_later_caller()
    {
        FaultyDisk disk = new(new Random(1));
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard(), files: disk));
        await commit.WhenDurableAsync(commit.Enqueue(1, "one"u8));
        using ManualResetEventSlim both = new();
        disk.Fail = what =>
        {
            if (what != "sync") return null;
            both.Wait(TimeSpan.FromSeconds(60), CancellationToken.None);
            return new SyncFailedException("error 5");
        };
        ValueTask first = commit.WhenDurableAsync(commit.Enqueue(1, "two"u8));
        ValueTask second = commit.WhenDurableAsync(commit.Enqueue(1, "three"u8));
        Task compaction = commit.ExclusiveAsync(_ => Assert.Fail("runs on a dead journal"));
        both.Set();
        Assert.Equal("sync_failed", (await Assert.ThrowsAsync<JournalException>(() => first.AsTask())).Code);
        Assert.Equal("sync_failed", (await Assert.ThrowsAsync<JournalException>(() => second.AsTask())).Code);
        Assert.Equal("sync_failed", (await Assert.ThrowsAsync<JournalException>(() => compaction)).Code);
        Assert.Equal("sync_failed", Assert.Throws<JournalException>(() => commit.Enqueue(1, "four"u8)).Code);
        Assert.Equal(1, commit.Durable);
        await commit.DisposeAsync();
        Assert.Equal(["one"], _box.ReadAll().Records);
    }

    [Fact]
    public async Task A_full_line_makes_callers_wait_and_then_says_busy()
    {
        FaultyDisk disk = new(new Random(1));
        GroupCommit commit = GroupCommit.Start(_box.Locked(new Heard(), files: disk), new GroupCommitOptions { QueueBytesMax = 100, WaitAtMost = TimeSpan.FromMilliseconds(50) });
        using ManualResetEventSlim go = new();
        TaskCompletionSource syncing = new(TaskCreationOptions.RunContinuationsAsynchronously);
        disk.Fail = what =>
        {
            if (what != "sync") return null;
            syncing.TrySetResult();
            go.Wait(TimeSpan.FromSeconds(60), CancellationToken.None);
            return null;
        };
        commit.Enqueue(1, "in the disk's hands"u8);
        await syncing.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        long last = commit.Enqueue(1, new byte[40]);
        Assert.Equal("busy", Assert.Throws<JournalException>(() => commit.Enqueue(1, new byte[40])).Code);
        go.Set();
        await commit.WhenDurableAsync(last);
        Assert.Equal(last + 1, commit.Enqueue(1, new byte[500]));
        await commit.DisposeAsync();
    }

    [Fact]
    public void Power_lost_or_process_killed_at_every_step_of_a_compaction_and_a_new_segment_leaves_old_or_new()
    {
        bool finished = false;
        for (int step = 0; !finished; step++)
        {
            foreach (bool power in (bool[])[false, true])
            {
                using JournalBox box = new();
                FaultyDisk disk = new(new Random(step));
                JournalFolder journal = box.Locked(new Heard(), Small, disk);
                for (int i = 0; i < 20; i++) JournalBox.Append(journal, $"{i}".PadLeft(60));
                disk.Arm(power ? DiskTrouble.PowerFails : DiskTrouble.Killed, step);
                try
                {
                    journal.Compact(JournalBox.Snapshot("all twenty"));
                    finished = true;
                }
                catch (JournalException)
                {
                    Assert.Throws<JournalException>(() => journal.Append(1, "x"u8));
                }
                journal.Dispose();
                disk.Restart();
                Heard heard = new();
                using (JournalFolder next = box.Locked(heard, Small))
                {
                    Assert.True(heard.Records.Count is 1 or 20, $"step {step}: {heard.Records.Count} records");
                    Assert.Equal(21, next.Append(1, "next"u8));
                    next.Commit();
                }
                Assert.Equal([.. heard.Records, "next"], box.ReadAll(Small).Records);
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_killed_process_wrote_and_did_not_sync_is_synced_by_the_next_before_it_counts(bool wasReadWithoutLockBefore)
    {
        for (int seed = 0; seed < 10; seed++)
        {
            using JournalBox box = new();
            FaultyDisk disk = new(new Random(seed));
            JournalFolder killed = box.Locked(new Heard(), files: disk);
            JournalBox.Append(killed, "one");
            disk.Arm(DiskTrouble.Killed, 1);
            Assert.Throws<JournalException>(() => JournalBox.Append(killed, "two"));
            killed.Dispose();
            disk.Restart();
            Heard heard = new();
            using (JournalFolder next = JournalFolder.Open(box.Folder, new JournalOptions(), disk))
            {
                if (wasReadWithoutLockBefore) next.CatchUp(heard);
                Assert.True(JournalBox.Lock(next));
                next.CatchUp(heard);
            }
            LosePower(disk);
            Assert.Equal(["one", "two"], heard.Records);
            Assert.Equal(["one", "two"], box.ReadAll().Records);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_manifest_renamed_by_a_killed_process_is_durable_before_records_follow_it(bool wasReadWithoutLockBefore)
    {
        for (int seed = 0; seed < 10; seed++)
        {
            using JournalBox box = new();
            FaultyDisk disk = new(new Random(seed));
            JournalFolder killed = box.Locked(new Heard(), files: disk);
            JournalBox.Append(killed, "one");
            bool renamed = false;
            disk.Fail = what =>
            {
                IOException? error = renamed ? new IOException("killed") : null;
                renamed |= what == "rename";
                return error;
            };
            Assert.Throws<JournalException>(() => killed.Compact(JournalBox.Snapshot("all")));
            killed.Dispose();
            disk.Fail = _ => null;
            using (JournalFolder next = JournalFolder.Open(box.Folder, new JournalOptions(), disk))
            {
                Heard heard = new();
                if (wasReadWithoutLockBefore) next.CatchUp(heard);
                Assert.True(JournalBox.Lock(next));
                next.CatchUp(heard);
                JournalBox.Append(next, "two");
            }
            LosePower(disk);
            Assert.Equal(["all", "two"], box.ReadAll().Records);
        }
    }

    [Fact]
    public void The_systems_errors_reach_the_journal()
    {
        if (!OperatingSystem.IsLinux()) return;
        using Microsoft.Win32.SafeHandles.SafeFileHandle never = File.OpenHandle("/dev/null", access: FileAccess.Write), full = File.OpenHandle("/dev/full", access: FileAccess.Write);
        Assert.Throws<SyncFailedException>(() => JournalFiles.OfSystem.Sync(never));
        IOException error = Assert.ThrowsAny<IOException>(() => JournalFiles.OfSystem.Write(full, "x"u8, 0));
        Assert.Equal("full", JournalException.Of(error, "j", "writing").Code);
    }

    /// <summary>Else a power loss in the next batch can show the old tail where sectors were not written, which is no tail that a crash leaves.</summary>
    [Fact]
    public void A_cut_is_synced_before_anything_is_written_behind_it()
    {
        using (JournalFolder journal = _box.Locked(new Heard())) JournalBox.Append(journal, "torn");
        using (FileStream segment = File.OpenWrite(_box.Segment(1))) segment.SetLength(segment.Length - 1);
        List<string> calls = [];
        FaultyDisk disk = new(new Random(1)) { Fail = what => { calls.Add(what); return null; } };
        Heard heard = new();
        using JournalFolder next = JournalFolder.Open(_box.Folder, new JournalOptions(), disk);
        Assert.True(JournalBox.Lock(next));
        next.CatchUp(heard);
        Assert.Empty(heard.Records);
        Assert.Equal(["set_length", "write", "sync"], calls.TakeLast(3));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1001)]
    [InlineData(2001)]
    public void A_random_life_with_power_losses_reads_as_a_list_does(int firstSeed)
    {
        for (int seed = firstSeed; seed < firstSeed + Lives; seed++)
        {
            try
            {
                using JournalBox box = new();
                Live(box, new Random(seed));
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"replay: Live(new JournalBox(), new Random({seed}))", error);
            }
        }
    }

    private static void LosePower(FaultyDisk disk)
    {
        disk.FailPower();
        disk.Restart();
    }

    private static void Live(JournalBox box, Random random)
    {
        List<string> acknowledged = [];
        FaultyDisk disk = new(random);
        for (int life = 0; life < 6; life++)
        {
            disk.Arm(random.Next(2) == 0 ? DiskTrouble.PowerFails : DiskTrouble.Killed, random.Next(60));
            JournalOptions options = Small with { PreallocateBytes = 300 * random.Next(3) };
            List<string> pending = [];
            Heard heard = new();
            try
            {
                using JournalFolder journal = box.Locked(heard, options, disk);
                IsPrefix(acknowledged, heard.Records);
                acknowledged = [.. heard.Records];
                for (int step = 0; step < 30; step++) Step(journal, acknowledged, pending, random);
            }
            catch (JournalException error) when (error.Code == "io_failed")
            {
                Assert.NotEqual(DiskTrouble.None, disk.Ended);
            }
            disk.Restart();
            Heard after = box.ReadAll(Small, disk);
            IsPrefix(acknowledged, after.Records);
            IsPrefix(after.Records, [.. acknowledged, .. pending]);
            acknowledged = [.. after.Records];
        }
    }

    private static void Step(JournalFolder journal, List<string> acknowledged, List<string> pending, Random random)
    {
        switch (random.Next(10))
        {
            case < 6:
                string text = new((char)random.Next('a', 'z' + 1), random.Next(1, random.Next(8) == 0 ? 2_000 : 100));
                journal.Append(1, System.Text.Encoding.UTF8.GetBytes(text));
                pending.Add(text);
                break;
            case < 8:
                journal.Commit();
                acknowledged.AddRange(pending);
                pending.Clear();
                break;
            case 8:
                journal.Discard();
                pending.Clear();
                break;
            default:
                journal.Discard();
                pending.Clear();
                journal.Compact(JournalBox.Snapshot([.. acknowledged]));
                break;
        }
    }

    private static void IsPrefix(List<string> shorter, List<string> longer) => Assert.Equal(shorter, longer.Take(shorter.Count));
}
