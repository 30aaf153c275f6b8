using Mesh30K.Consistency.Journal;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Storage;
using Mesh30K.Node.Tests.Channels;
using Mesh30K.Protocol.Json;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Node.Tests.Ledger;

public sealed class FolderLedgerTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-ledger-");
    private readonly ManualClock _clock = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_handles_share_one_ledger()
    {
        await using FolderLedger one = Open();
        await using FolderLedger two = Open();
        LedgerEffect started = await EffectAsync(one, StartOf("k", "one"));
        Assert.Equal(LedgerOutcome.Held, (await AskAsync(two, StartOf("k", "two"))).Outcome);
        Assert.Equal(LedgerOutcome.Ok, (await AskAsync(one, new Finish("ana", "k", started.Epoch, EffectReport.Done, new byte[] { 7 }))).Outcome);
        LedgerReply again = await AskAsync(two, StartOf("k", "two"));
        Assert.Equal((LedgerOutcome.Recorded, 7), (again.Outcome, Assert.IsType<LedgerEffect>(again.Entry).Output.Span[0]));
    }

    [Fact]
    public async Task Many_callers_of_one_handle_get_an_epoch_each_and_none_is_lost()
    {
        await using FolderLedger ledger = Open();
        LedgerEffect[] all = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => EffectAsync(ledger, StartOf($"k{i}", "me"))));
        Assert.Equal(300, all.Select(e => e.Epoch).Distinct().Count());
        await using FolderLedger later = Open();
        Assert.Equal(300, (await later.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Effect), Soon, Cancel)).Items.Count);
    }

    [Fact]
    public async Task Reading_brings_the_time_so_that_a_lease_that_is_over_is_seen_as_over()
    {
        await using FolderLedger ledger = Open();
        await EffectAsync(ledger, StartOf("k", "me"));
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(EffectStatus.InDoubt, (await FindAsync(ledger, "k"))!.Status);
    }

    [Fact]
    public async Task A_ledger_that_was_compacted_is_the_same_for_a_handle_that_was_open_and_for_a_new_one()
    {
        await using FolderLedger old = Open(compactBytes: 2_000);
        await using FolderLedger writer = Open(compactBytes: 2_000);
        byte[] output = new byte[LedgerLimits.OutputBytesMax];
        Random.Shared.NextBytes(output);
        for (int i = 0; i < 100; i++)
        {
            LedgerEffect started = await EffectAsync(writer, StartOf($"k{i:000}", "me"));
            await AskAsync(writer, new Finish("ana", $"k{i:000}", started.Epoch, EffectReport.Done, output)); // 6.5 MB: a snapshot of more pieces than one
        }
        Assert.Single(Directory.EnumerateFiles(Path.Combine(_folder.FullName, "journal"), "*.segment"));
        await using FolderLedger fresh = Open();
        foreach (FolderLedger ledger in (FolderLedger[])[old, fresh])
        {
            LedgerPage<LedgerEntry> all = await ledger.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Effect), Soon, Cancel);
            Assert.All(all.Items.Cast<LedgerEffect>(), e => Assert.Equal((EffectStatus.Done, true), (e.Status, e.Output.Span.SequenceEqual(output))));
            Assert.Equal(100, all.Items.Count);
        }
    }

    [Fact]
    public async Task A_ledger_that_another_holds_all_the_time_has_surely_not_taken_the_command()
    {
        await using FolderLedger ledger = Open();
        await EffectAsync(ledger, StartOf("k", "me"));
        using JournalFolder other = JournalFolder.Open(Path.Combine(_folder.FullName, "journal"));
        Assert.True(other.TryLock(Soon, Cancel));
        LedgerAnswer refused = await ledger.AskAsync(StartOf("k2", "me"), TimeSpan.FromMilliseconds(50), Cancel);
        Assert.Equal(LedgerCertainty.NotTaken, refused.Certainty);
        await Assert.ThrowsAsync<LedgerUnavailableException>(() => ledger.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Effect), TimeSpan.FromMilliseconds(50), Cancel));
        other.Unlock();
        Assert.Null(await FindAsync(ledger, "k2"));
    }

    [Fact]
    public async Task A_command_is_whole_or_not_there_wherever_the_power_fails_and_what_was_answered_is_there()
    {
        int crashes = 0;
        for (int point = 0; ; point++)
        {
            FaultyDisk disk = new(new Random(point));
            disk.Arm(DiskTrouble.PowerFails, point);
            string folder = Path.Combine(_folder.FullName, $"p{point}");
            List<string> answered = [];
            bool failed = await UntilPowerFailsAsync(folder, disk, answered);
            disk.Restart();
            await using FolderLedger again = FolderLedger.Open(folder, new FolderLedgerOptions { Clock = _clock });
            foreach (string key in answered) Assert.NotNull(await FindAsync(again, key));
            Assert.Equal(LedgerOutcome.Ok, (await AskAsync(again, StartOf("after", "me"))).Outcome);
            if (!failed) break;
            crashes++;
        }
        Assert.True(crashes > 80, $"{crashes} points of failure only");
    }

    [Fact]
    public void A_batch_of_the_largest_commands_is_within_the_journals_bound() =>
        Assert.True((long)FolderLedger.BatchMax * (LedgerLimits.CommandBytesMax + RecordFrame.OverheadBytes) <= new JournalOptions().BatchBytesMax);

    /// <summary>Its commands are more than one batch of the journal may be.</summary>
    [Fact]
    public async Task A_full_line_of_large_commands_is_taken_in_batches()
    {
        await using FolderLedger ledger = FolderLedger.Open(_folder.FullName, new FolderLedgerOptions { Clock = _clock }, new NoLargeWrites());
        await EffectAsync(ledger, StartOf("k", "me"));
        using JournalFolder other = JournalFolder.Open(Path.Combine(_folder.FullName, "journal"));
        Assert.True(other.TryLock(Soon, Cancel));
        byte[] value = new byte[LedgerLimits.ValueBytesMax];
        Task<LedgerAnswer>[] all = [.. Enumerable.Range(0, FolderLedger.LineMax).Select(_ => ledger.AskAsync(new SetKey("key", value, null), 2 * Soon, Cancel))];
        other.Unlock();
        Assert.All(await Task.WhenAll(all), a => Assert.Equal((LedgerCertainty.Answered, ""), (a.Certainty, a.Why)));
        Assert.NotNull(await FindAsync(ledger, "k"));
    }

    [Fact]
    public async Task A_disk_that_fails_makes_the_answer_unknown_and_the_handle_useless()
    {
        FaultyDisk disk = new(new Random(1));
        await using FolderLedger ledger = FolderLedger.Open(_folder.FullName, null, disk);
        await EffectAsync(ledger, StartOf("k", "me"));
        disk.Fail = call => call == "sync" ? new IOException("EIO") : null;
        Assert.Equal(LedgerCertainty.Unknown, (await ledger.AskAsync(StartOf("k2", "me"), Soon, Cancel)).Certainty);
        disk.Fail = _ => null;
        await Assert.ThrowsAsync<JournalException>(() => ledger.AskAsync(StartOf("k3", "me"), Soon, Cancel));
        await Assert.ThrowsAsync<JournalException>(() => ledger.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Effect), Soon, Cancel));
    }

    [Fact]
    public async Task A_journal_of_something_else_is_refused()
    {
        using (JournalFolder journal = JournalFolder.Open(Path.Combine(_folder.FullName, "journal")))
        {
            Assert.True(journal.TryLock(Soon, Cancel));
            journal.CatchUp(new NoReader());
            journal.Append(9, "what is this"u8);
            journal.Commit();
        }
        await using FolderLedger ledger = Open();
        JournalException refused = await Assert.ThrowsAsync<JournalException>(() => ledger.AskAsync(StartOf("k", "me"), Soon, Cancel));
        Assert.Contains("a record of kind 9", refused.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static Start StartOf(string key, string executor) =>
        new("ana", key, PayloadHash.Of("the request"u8), HonoursKey: false, TimeSpan.FromHours(1), executor, TimeSpan.FromSeconds(30));

    private static async Task<LedgerReply> AskAsync(FolderLedger ledger, LedgerCommand command)
    {
        LedgerAnswer answer = await ledger.AskAsync(command, Soon, Cancel);
        Assert.Equal((LedgerCertainty.Answered, ""), (answer.Certainty, answer.Why));
        return answer.Reply!;
    }

    private static async Task<LedgerEffect> EffectAsync(FolderLedger ledger, LedgerCommand command)
    {
        LedgerReply reply = await AskAsync(ledger, command);
        Assert.Equal(LedgerOutcome.Ok, reply.Outcome);
        return Assert.IsType<LedgerEffect>(reply.Entry);
    }

    private static async Task<LedgerEffect?> FindAsync(FolderLedger ledger, string key) =>
        (LedgerEffect?)(await ledger.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Effect, new LedgerKey("ana", key)), Soon, Cancel)).Items.SingleOrDefault();

    private FolderLedger Open(long compactBytes = 8 << 20) => FolderLedger.Open(_folder.FullName, new FolderLedgerOptions { Clock = _clock, CompactBytes = compactBytes });

    /// <summary>Whether it failed at all.</summary>
    private async Task<bool> UntilPowerFailsAsync(string folder, FaultyDisk disk, List<string> answered)
    {
        await using FolderLedger ledger = FolderLedger.Open(folder, new FolderLedgerOptions { Clock = _clock, CompactBytes = 600 }, disk);
        for (int i = 0; i < 30; i++)
        {
            try
            {
                LedgerAnswer answer = await ledger.AskAsync(StartOf($"k{i}", "me"), Soon, Cancel);
                if (answer.Certainty == LedgerCertainty.Answered) answered.Add($"k{i}");
                if (answer.Certainty == LedgerCertainty.Unknown) return true;
            }
            catch (JournalException)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>What is compacted right after need not be on the disk.</summary>
    private sealed class NoLargeWrites : JournalFiles
    {
        public override void Write(Microsoft.Win32.SafeHandles.SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
        {
            if (bytes.Length < 16 << 20) base.Write(file, bytes, offset);
        }
    }

    private sealed class NoReader : IJournalReader
    {
        public void Reset()
        {
        }

        public void Apply(in Consistency.Journal.JournalRecord record)
        {
        }
    }
}
