using Mesh30K.Node.Storage;

namespace Mesh30K.Node.Tests.Storage;

/// <summary>What failed processes left at the end of a journal, and what the disk has of it: nobody may take the page cache for the disk.</summary>
public sealed class JournalTailTests
{
    private static readonly string Long = new('x', 5_000);

    /// <summary>The sync that failed left the records readable and clean, so that the next sync says yes and writes nothing.</summary>
    [Theory]
    [InlineData("two")]
    [InlineData("two", "three")]
    public void Records_of_a_killed_process_whose_next_reader_could_not_sync_are_written_again_before_they_count(params string[] left)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            using JournalBox box = new();
            FaultyDisk disk = new(new Random(seed));
            JournalFolder killed = box.Locked(new Heard(), files: disk);
            JournalBox.Append(killed, "one");
            disk.Arm(DiskTrouble.Killed, 1); // the sync
            Assert.Throws<JournalException>(() => JournalBox.Append(killed, [.. left, Long]));
            killed.Dispose();
            disk.Restart();
            disk.Arm(DiskTrouble.SyncFails, 1); // the folder's is the first
            Assert.Equal("sync_failed", Assert.Throws<JournalException>(() => box.ReadAll(files: disk)).Code);
            disk.Restart();
            Assert.Equal(["one", .. left, Long], box.ReadAll(files: disk).Records);
            LosePower(disk);
            Assert.Equal(["one", .. left, Long], box.ReadAll().Records);
        }
    }

    /// <summary>The torn bytes that were cut are still on the disk, and the next batch is written over them.</summary>
    /// <param name="before">Batches before it; without any, no record is there that would be written again.</param>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_cut_whose_sync_failed_does_not_show_its_bytes_among_those_of_the_next_batch(int before)
    {
        for (int seed = 0; seed < 200; seed++)
        {
            using JournalBox box = new();
            FaultyDisk disk = new(new Random(seed));
            JournalFolder killed = box.Locked(new Heard(), files: disk);
            if (before > 0) JournalBox.Append(killed, "one");
            disk.Arm(DiskTrouble.Killed, 0); // in the write
            Assert.Throws<JournalException>(() => JournalBox.Append(killed, Long));
            killed.Dispose();
            LosePower(disk);
            disk.Arm(DiskTrouble.SyncFails, 1);
            Assert.Throws<JournalException>(() => box.ReadAll(files: disk));
            disk.Restart();
            Heard heard = new();
            JournalFolder next = box.Locked(heard, files: disk);
            Assert.InRange(heard.Records.Count, before, before + 1);
            PowerFailsInTheSync(disk, next);
            Assert.Equal(heard.Records, box.ReadAll().Records.Take(heard.Records.Count));
        }
    }

    /// <summary>This handle has read all that there is, so it syncs nothing before it goes on.</summary>
    [Fact]
    public void A_write_that_failed_elsewhere_does_not_show_its_bytes_among_those_of_the_next_batch()
    {
        for (int seed = 0; seed < 1_000; seed++)
        {
            using JournalBox box = new();
            FaultyDisk disk = new(new Random(seed));
            JournalFolder journal = box.Locked(new Heard(), files: disk);
            JournalBox.Append(journal, "one");
            journal.Unlock();
            using (JournalFolder other = box.Locked(new Heard(), files: disk))
            {
                disk.Arm(DiskTrouble.Full, 0);
                Assert.Equal("full", Assert.Throws<JournalException>(() => JournalBox.Append(other, Long)).Code);
            }
            Assert.True(JournalBox.Lock(journal));
            journal.CatchUp(new Heard());
            PowerFailsInTheSync(disk, journal);
            Assert.Equal("one", box.ReadAll().Records[0]);
        }
    }

    [Fact]
    public void Records_that_the_page_cache_loses_before_they_are_written_again_are_not_taken_for_durable()
    {
        using JournalBox box = new();
        using (JournalFolder journal = box.Locked(new Heard())) JournalBox.Append(journal, "one", Long);
        byte[] bytes = File.ReadAllBytes(box.Segment(1));
        FaultyDisk disk = new(new Random(1))
        {
            Fail = what =>
            {
                if (what == "open") File.WriteAllBytes(box.Segment(1), [.. bytes.AsSpan(0, 4_096), .. new byte[bytes.Length - 4_096]]);
                return null;
            },
        };
        JournalException error = Assert.Throws<JournalException>(() => box.ReadAll(files: disk));
        Assert.Equal("io_failed", error.Code);
        Assert.Contains("a second time", error.Message, StringComparison.Ordinal);
        Assert.Equal(["one"], box.ReadAll().Records);
    }

    /// <summary>Two sectors of one block, so that often just one of them is lost.</summary>
    private static void PowerFailsInTheSync(FaultyDisk disk, JournalFolder journal)
    {
        disk.Arm(DiskTrouble.PowerFails, 1);
        Assert.Throws<JournalException>(() => JournalBox.Append(journal, new string('y', 800)));
        journal.Dispose();
        disk.Restart();
    }

    private static void LosePower(FaultyDisk disk)
    {
        disk.FailPower();
        disk.Restart();
    }
}
