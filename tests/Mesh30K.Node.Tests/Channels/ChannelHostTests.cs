using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Channels;
using static Mesh30K.Node.Tests.Channels.ChannelFixture;

namespace Mesh30K.Node.Tests.Channels;

public sealed class ChannelHostTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Many_callers_do_every_task_once_and_in_order()
    {
        using ChannelFixture fixture = new();
        await using ChannelHost host = fixture.Host();
        const int chains = 20;
        List<Dot> done = [];
        for (int i = 0; i < chains; i++) await host.StepAsync(Chain(10));
        await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () =>
        {
            while (host.Read(c => c.Counts is var n && n.Waiting + n.Ready + n.Claimed > 0))
            {
                ChannelReply reply = await host.StepAsync(new ChannelCommand.Claim($"w{i}", Lease));
                if (reply.Entries is not [var entry])
                {
                    await Task.Yield();
                    continue;
                }
                lock (done) done.Add(entry.Id);
                Assert.Equal(ChannelOutcome.Ok, (await host.StepAsync(new ChannelCommand.Complete(entry.Id, entry.Token, null))).Outcome);
            }
        }, Cancel))).WaitAsync(Generous, Cancel);
        Assert.Equal(chains * 10, done.Distinct().Count());
        Assert.Equal(chains * 10, done.Count);
        Dictionary<Dot, int> at = done.Select((id, i) => (id, i)).ToDictionary(p => p.id, p => p.i);
        Assert.All(host.Read(c => c.Entries.ToArray()), e => Assert.All(e.DependsOn, on => Assert.True(at[on] < at[e.Id])));
    }

    [Fact]
    public async Task What_was_replied_is_there_after_the_owner_was_closed_and_after_another_took_over()
    {
        using ChannelFixture fixture = new();
        ChannelEntry entry;
        await using (ChannelHost host = fixture.Host())
        {
            await host.StepAsync(Chain(3));
            entry = (await host.StepAsync(new ChannelCommand.Claim("ana", Lease))).Entries[0];
            await host.StepAsync(new ChannelCommand.Complete(entry.Id, entry.Token, "ok"));
        }
        using FolderChannel after = fixture.Open();
        Assert.Equal(("ok", new ChannelCounts(1, 1, 0, 1, 0, 0, 0)), (after.Read(c => c.Find(entry.Id)!.Result), after.Read(c => c.Counts)));
    }

    [Fact]
    public async Task A_reply_comes_after_its_record_is_in_the_journal()
    {
        using ChannelFixture fixture = new();
        await using ChannelHost host = fixture.Host();
        using FolderChannel reader = fixture.Open();
        for (int i = 1; i <= 100; i++)
        {
            await host.StepAsync(new ChannelCommand.Push("task", [], Key: $"k{i}"));
            Assert.Equal(i, reader.Read(c => c.Counts.Ready));
        }
        Task<ChannelReply>[] repeated = [.. Enumerable.Range(0, 50).Select(_ => host.StepAsync(new ChannelCommand.Push("once", [], Key: "once")).AsTask())];
        Assert.Equal(101, (await Task.WhenAny(repeated).ContinueWith(_ => reader.Read(c => c.Counts.Ready), TaskScheduler.Default).WaitAsync(Generous, Cancel)));
        Assert.All(await Task.WhenAll(repeated), r => Assert.Equal(Id(101), r.Entries[0].Id));
    }

    [Fact]
    public async Task While_a_host_owns_the_channel_a_handle_is_told_and_can_still_look()
    {
        using ChannelFixture fixture = new();
        using FolderChannel other = fixture.Open();
        await using (ChannelHost host = fixture.Host())
        {
            await host.StepAsync(Chain(1));
            ChannelAccessException refused = Assert.Throws<ChannelAccessException>(() => other.Step(Chain(1), Cancel));
            Assert.Equal("channel_owned", refused.Code);
            Assert.Contains("--node URL", refused.Hint, StringComparison.Ordinal);
            Assert.Equal(1, other.Read(c => c.Counts.Ready));
            Assert.Equal("channel_busy", Assert.Throws<ChannelAccessException>(() => fixture.Host()).Code);
        }
        Assert.Equal(ChannelOutcome.Ok, other.Step(Chain(1), Cancel).Outcome);
    }

    [Fact]
    public async Task Waiting_claims_are_served_in_the_order_in_which_they_came()
    {
        using ChannelFixture fixture = new();
        await using ChannelHost host = fixture.Host();
        Task<ChannelReply> first = Wait(host, "ana");
        Task<ChannelReply> second = Wait(host, "bob");
        await host.StepAsync(Chain(1));
        Assert.Equal("ana", Assert.Single((await first.WaitAsync(Generous, Cancel)).Entries).ClaimedBy);
        Assert.False(second.IsCompleted);
        await host.StepAsync(new ChannelCommand.Push("for nobody here", [], Agent: "carl"));
        Assert.False(second.IsCompleted);
        await host.StepAsync(new ChannelCommand.Push("for bob", [], Agent: "bob"));
        Assert.Equal("for bob", Assert.Single((await second.WaitAsync(Generous, Cancel)).Entries).Text);
    }

    [Fact]
    public async Task A_waiting_claim_is_woken_by_a_completion_and_by_a_release()
    {
        using ChannelFixture fixture = new();
        await using ChannelHost host = fixture.Host();
        await host.StepAsync(Chain(2));
        ChannelEntry held = (await host.StepAsync(new ChannelCommand.Claim("ana", Lease))).Entries[0];
        Task<ChannelReply> bob = Wait(host, "bob");
        await host.StepAsync(new ChannelCommand.Complete(held.Id, held.Token, null));
        ChannelEntry second = Assert.Single((await bob.WaitAsync(Generous, Cancel)).Entries);
        Task<ChannelReply> carl = Wait(host, "carl");
        await host.StepAsync(new ChannelCommand.Release(second.Id, second.Token));
        Assert.Equal("carl", Assert.Single((await carl.WaitAsync(Generous, Cancel)).Entries).ClaimedBy);
    }

    [Fact]
    public async Task A_waiting_claim_gets_the_entry_of_a_holder_whose_lease_ends_without_any_other_step()
    {
        using ChannelFixture fixture = new();
        await using ChannelHost host = fixture.Host();
        await host.StepAsync(Chain(1));
        await host.StepAsync(new ChannelCommand.Claim("dead", TimeSpan.FromSeconds(10)));
        Task<ChannelReply> bob = Wait(host, "bob", TimeSpan.FromMinutes(1));
        fixture.Clock.Advance(TimeSpan.FromSeconds(9));
        Assert.False(bob.IsCompleted);
        fixture.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("bob", Assert.Single((await bob.WaitAsync(Generous, Cancel)).Entries).ClaimedBy);
    }

    [Fact]
    public async Task A_waiting_claim_gives_up_in_time_and_takes_nothing_later()
    {
        using ChannelFixture fixture = new();
        await using ChannelHost host = fixture.Host();
        Task<ChannelReply> bob = Wait(host, "bob", TimeSpan.FromSeconds(30));
        fixture.Clock.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(ChannelOutcome.Empty, (await bob.WaitAsync(Generous, Cancel)).Outcome);
        using CancellationTokenSource gone = new();
        Task<ChannelReply> cancelled = host.ClaimAsync(new ChannelCommand.Claim("bob", Lease), TimeSpan.FromSeconds(30), gone.Token).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.WaitAsync(Generous, Cancel));
        await host.StepAsync(Chain(1));
        Assert.Equal(1, host.Read(c => c.Counts.Ready));
    }

    [Fact]
    public async Task The_number_of_waiting_claims_is_bounded()
    {
        using ChannelFixture fixture = new();
        await using ChannelHost host = fixture.Host();
        Task<ChannelReply>[] waiting = [.. Enumerable.Range(0, ChannelHost.WaitersMax).Select(i => Wait(host, $"w{i}"))];
        Assert.Equal(ChannelOutcome.Full, (await Wait(host, "one more").WaitAsync(Generous, Cancel)).Outcome);
        await host.StepAsync(Chain(1));
        Assert.Single((await waiting[0].WaitAsync(Generous, Cancel)).Entries);
    }

    [Fact]
    public async Task Closing_ends_those_that_wait()
    {
        using ChannelFixture fixture = new();
        ChannelHost host = fixture.Host();
        Task<ChannelReply> waiting = Wait(host, "ana");
        await host.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(Generous, Cancel));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await host.StepAsync(Chain(1)));
    }

    [Fact]
    public async Task Compaction_under_load_loses_nothing()
    {
        using ChannelFixture fixture = new();
        ChannelStorageOptions small = fixture.Options with { CompactBytes = 10_000, Channel = new ChannelOptions { EndedMax = 64 } };
        ChannelCounts before;
        await using (ChannelHost host = fixture.Host(small))
        {
            await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(async () =>
            {
                for (int n = 0; n < 60; n++)
                {
                    await host.StepAsync(new ChannelCommand.Push($"task {new string('x', 100)}", [], Agent: $"w{i}"));
                    ChannelEntry entry = (await host.StepAsync(new ChannelCommand.Claim($"w{i}", Lease))).Entries[0];
                    await host.StepAsync(new ChannelCommand.Complete(entry.Id, entry.Token, null));
                }
            }, Cancel))).WaitAsync(Generous, Cancel);
            before = host.Read(c => c.Counts);
            Assert.Equal(480, before.Done + before.Retired);
        }
        Assert.InRange(Directory.EnumerateFiles(fixture.Folder().JournalLocation).Sum(f => new FileInfo(f).Length), 1, 150_000);
        using FolderChannel after = fixture.Open(small);
        Assert.Equal(before, after.Read(c => c.Counts));
    }

    private static Task<ChannelReply> Wait(ChannelHost host, string agent, TimeSpan? wait = null) =>
        host.ClaimAsync(new ChannelCommand.Claim(agent, Lease), wait ?? Generous, Cancel).AsTask();
}
