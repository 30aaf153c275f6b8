using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Channels;
using Mesh30K.Node.Storage;
using static Mesh30K.Node.Tests.Channels.ChannelFixture;

namespace Mesh30K.Node.Tests.Channels;

public sealed class FolderChannelTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("a b\n")]
    public void A_channel_whose_writers_file_was_lost_is_refused_and_gets_no_other_writer(string? left)
    {
        using ChannelFixture fixture = new();
        ChannelFolder folder = fixture.Folder("tasks", "ana");
        using (FolderChannel channel = FolderChannel.Open(folder, fixture.Options)) channel.Step(Chain(1), Cancel);
        string file = Path.Combine(folder.Location, "writer");
        if (left is null) File.Delete(file);
        else File.WriteAllText(file, left);
        foreach (Action open in (Action[])[() => fixture.Folder(), () => fixture.Folder("tasks", "bob"), () => ChannelFolder.Find(fixture.Data, "tasks")])
        {
            ChannelAccessException refused = Assert.Throws<ChannelAccessException>(open);
            Assert.Equal("bad_writer", refused.Code);
            Assert.Contains(file, refused.Message, StringComparison.Ordinal);
        }
        File.WriteAllText(file, "ana\n");
        Assert.Equal("ana", fixture.Folder().Writer.ToString());
    }

    [Fact]
    public void What_one_handle_pushes_the_other_claims_and_the_first_sees_done()
    {
        using ChannelFixture fixture = new();
        using FolderChannel ana = fixture.Open();
        using FolderChannel bob = fixture.Open();
        ana.Step(Chain(2), Cancel);
        ChannelEntry first = Assert.Single(bob.Step(new ChannelCommand.Claim("bob", Lease), Cancel).Entries);
        Assert.Equal(ChannelOutcome.Empty, ana.Step(new ChannelCommand.Claim("ana", Lease), Cancel).Outcome);
        bob.Step(new ChannelCommand.Complete(first.Id, first.Token, "built"), Cancel);
        ChannelEntry second = Assert.Single(ana.Step(new ChannelCommand.Claim("ana", Lease), Cancel).Entries);
        Assert.Equal((Id(2), "built"), (second.Id, ana.Read(c => c.Find(Id(1))!.Result)));
    }

    [Fact]
    public void A_holder_that_is_gone_loses_the_entry_and_the_next_one_gets_its_checkpoint()
    {
        using ChannelFixture fixture = new();
        using FolderChannel ana = fixture.Open();
        ana.Step(new ChannelCommand.Push("index", []), Cancel);
        ChannelEntry held = ana.Step(new ChannelCommand.Claim("ana", Lease), Cancel).Entries[0];
        ana.Step(new ChannelCommand.Checkpoint(held.Id, held.Token, "12 of 40", Lease), Cancel);
        fixture.Clock.Advance(Lease);
        using FolderChannel bob = fixture.Open();
        ChannelEntry again = Assert.Single(bob.Step(new ChannelCommand.Claim("bob", Lease), Cancel).Entries);
        Assert.Equal((held.Id, "12 of 40", 2), (again.Id, again.Checkpoint, again.Attempts));
        Assert.Equal(ChannelOutcome.NotHeld, ana.Step(new ChannelCommand.Complete(held.Id, held.Token, null), Cancel).Outcome);
    }

    [Fact]
    public void A_step_that_dies_before_its_commit_has_not_happened()
    {
        using ChannelFixture fixture = new();
        using (FolderChannel ana = fixture.Open()) ana.Step(Chain(1), Cancel);
        using (JournalFolder journal = JournalFolder.Open(fixture.Folder().JournalLocation))
        {
            Assert.True(journal.TryLock(TimeSpan.Zero, Cancel));
            ChannelReplica replica = new(new ChannelOptions());
            journal.CatchUp(replica);
            replica.Channel.Step(new ChannelCommand.Claim("dead", Lease), new(1), new Appending(journal)); // appended, and the process ends
        }
        using FolderChannel bob = fixture.Open();
        Assert.Equal(1, Assert.Single(bob.Step(new ChannelCommand.Claim("bob", Lease), Cancel).Entries).Token);
    }

    [Fact]
    public void A_step_that_dies_after_its_commit_is_there_and_a_repeated_push_with_the_key_adds_nothing()
    {
        using ChannelFixture fixture = new();
        using (FolderChannel ana = fixture.Open()) ana.Step(new ChannelCommand.Push("pay", [], Key: "pay-7"), Cancel); // and the reply is lost
        using FolderChannel again = fixture.Open();
        Assert.Equal(Id(1), again.Step(new ChannelCommand.Push("pay", [], Key: "pay-7"), Cancel).Entries[0].Id);
        Assert.Single(again.Read(c => c.Entries.ToArray()));
    }

    [Fact]
    public void The_lock_of_another_process_is_waited_for_with_a_bound()
    {
        using ChannelFixture fixture = new();
        using FolderChannel ana = fixture.Open();
        using JournalFolder other = JournalFolder.Open(fixture.Folder().JournalLocation);
        Assert.True(other.TryLock(TimeSpan.Zero, Cancel));
        Assert.Equal("channel_busy", Assert.Throws<ChannelAccessException>(() => ana.Step(Chain(1), Cancel)).Code);
        other.Unlock();
        Assert.Equal(ChannelOutcome.Ok, ana.Step(Chain(1), Cancel).Outcome);
    }

    [Fact]
    public async Task A_claim_waits_until_another_handle_pushes()
    {
        using ChannelFixture fixture = new();
        ChannelStorageOptions real = fixture.Options with { Clock = TimeProvider.System, LockWithin = Generous };
        using FolderChannel ana = fixture.Open(real);
        using FolderChannel bob = fixture.Open(real);
        Task<ChannelReply> waiting = ana.ClaimAsync(new ChannelCommand.Claim("ana", Lease), Generous, Cancel);
        Assert.False(waiting.IsCompleted);
        bob.Step(Chain(1), Cancel);
        Assert.Single((await waiting.WaitAsync(Generous, Cancel)).Entries);
        Assert.Equal(ChannelOutcome.Empty, (await ana.ClaimAsync(new ChannelCommand.Claim("ana", Lease), TimeSpan.FromMilliseconds(20), Cancel)).Outcome);
    }

    [Fact]
    public void The_journal_is_compacted_and_other_handles_follow()
    {
        using ChannelFixture fixture = new();
        ChannelStorageOptions small = fixture.Options with { CompactBytes = 20_000, Channel = new ChannelOptions { EndedMax = 50 } };
        using FolderChannel ana = fixture.Open(small);
        using FolderChannel bob = fixture.Open(small);
        for (int i = 0; i < 300; i++)
        {
            ana.Step(new ChannelCommand.Push($"task {i} {new string('x', 100)}", []), Cancel);
            ChannelEntry held = bob.Step(new ChannelCommand.Claim("bob", Lease), Cancel).Entries[0];
            ana.Step(new ChannelCommand.Complete(held.Id, held.Token, null), Cancel);
        }
        long bytes = Directory.EnumerateFiles(fixture.Folder().JournalLocation).Sum(f => new FileInfo(f).Length);
        Assert.InRange(bytes, 1, 150_000);
        using FolderChannel fresh = fixture.Open(small);
        Assert.Equal(bob.Read(c => c.Counts), fresh.Read(c => c.Counts));
        Assert.Equal(EntryStatus.Done, fresh.Read(c => c.StatusOf(Id(1))));
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData(".hidden")]
    [InlineData("a/b")]
    [InlineData("../up")]
    [InlineData("a\\b")]
    [InlineData("a\nb")]
    [InlineData("-x")]
    public void A_name_is_never_a_path(string name)
    {
        using ChannelFixture fixture = new();
        Assert.Equal("bad_name", Assert.Throws<ChannelAccessException>(() => fixture.Folder(name)).Code);
        Assert.Equal("bad_name", Assert.Throws<ChannelAccessException>(() => ChannelFolder.Find(fixture.Data, name)).Code);
    }

    [Fact]
    public void The_writer_is_fixed_when_the_channel_is_made()
    {
        using ChannelFixture fixture = new();
        Assert.Equal("ana", fixture.Folder("builds", "ana").Writer.ToString());
        Assert.Equal("ana", fixture.Folder("builds").Writer.ToString());
        Assert.Equal("writer_differs", Assert.Throws<ChannelAccessException>(() => fixture.Folder("builds", "bob")).Code);
        Assert.Equal(["builds"], ChannelFolder.Names(fixture.Data));
        using FolderChannel channel = FolderChannel.Open(fixture.Folder("builds"), fixture.Options);
        Assert.Equal(new Dot(1, ReplicaId.Parse("ana")), channel.Step(Chain(1), Cancel).Entries[0].Id);
    }

    private sealed class Appending(JournalFolder journal) : IChannelEffects
    {
        public void Persist(byte kind, ReadOnlySpan<byte> record) => journal.Append(kind, record);
    }
}
