using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Ledger.Group;

/// <summary>Which thread a coordinator's rounds run on, and that none of them keeps the server from ending. One host alone on a clock that stands; what it sends is noted with the thread that sent it.</summary>
public sealed class RaftHostThreadTests
{
    private const string Own = "mesh-raft";

    private static readonly ServerId Self = new(1), Other = new(2);

    [Fact]
    public async Task A_disk_that_hangs_under_the_hosts_own_thread_does_not_keep_it_from_ending()
    {
        await using LoneHost lone = new(1);
        lone.Disk.Block();
        lone.Clock.Move(TimeSpan.FromSeconds(10)); // an election: the own thread writes its vote
        await HostGroup.UntilAsync(() => Task.FromResult(lone.Disk.Waiting > 0), "a sync");
        TestCaller waits = new();
        lone.Host.Submit([new HostRequest.Status(waits, 1, lone.Due)]);
        ValueTask ending = lone.Host.DisposeAsync();
        object told = await waits.Answered.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Assert.Equal(LedgerCertainty.NotTaken, Assert.IsType<LedgerRefusal>(told).Certainty);
        Assert.True(lone.Disk.Waiting > 0, "the disk was to hang until now");
        lone.Disk.Unblock();
        await ending.AsTask().WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Assert.Null(await lone.Host.Stopped);
    }

    [Fact]
    public async Task A_round_that_is_stopped_does_not_go_to_the_disk()
    {
        await using LoneHost lone = new(1);
        lone.Clock.Move(TimeSpan.FromSeconds(10));
        await HostGroup.UntilAsync(async () => await lone.PutAsync("a") is LedgerReply, "it leads");
        TestCaller put = new();
        using HeldCaller held = new();
        Task brings = HostGroup.ApartAsync(() =>
        {
            lone.Host.Submit([lone.Put("b", put), new HostRequest.Status(held, 2, lone.Due)]);
            return true;
        });
        Assert.True(await held.Amid.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken));
        lone.Disk.Block();
        ValueTask ending = lone.Host.DisposeAsync();
        held.GoOn();
        await brings.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken); // the journal's thread is at the disk, not this one
        object told = await put.Answered.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Assert.Equal(LedgerCertainty.Unknown, Assert.IsType<LedgerRefusal>(told).Certainty);
        lone.Disk.Unblock();
        await ending.AsTask().WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
    }

    /// <summary>The last part of a snapshot may be small, and what it brings is large.</summary>
    [Fact]
    public async Task A_part_of_a_snapshot_however_small_is_not_for_the_thread_that_brings_it()
    {
        await using LoneHost lone = new(3);
        lone.Bring((new AppendRequest(Other, Self, 1, default, [], 0, 0), 50));
        await lone.SentAsync(m => m is AppendReply { Term: 1 });
        SnapshotMeta meta = new(new LogPlace(10, 1), RaftMembership.Of(Self, Other, new ServerId(3)), 1_000);
        lone.Bring((new SnapshotChunk(Other, Self, 1, meta, 0, new byte[100], 0), 200));
        Assert.Equal(Own, await lone.SentAsync(m => m is SnapshotReply { NextOffset: 100 }));
    }

    [Fact]
    public async Task Much_that_came_while_a_thread_was_at_the_disk_is_not_for_that_thread()
    {
        await using LoneHost lone = new(3);
        lone.Disk.Block();
        Task brings = HostGroup.ApartAsync(() =>
        {
            lone.Bring((new AppendRequest(Other, Self, 1, default, [new RaftEntry(1, 1, RaftEntryKind.Noop, default)], 0, 0), 100));
            return true;
        });
        await HostGroup.UntilAsync(() => Task.FromResult(lone.Disk.Waiting > 0), "a sync");
        for (int i = 0; i < 100; i++) lone.Bring((new AppendRequest(Other, Self, 1, default, [], 0, i + 1), 1_000));
        lone.Disk.Unblock();
        await brings.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Assert.Equal(Own, await lone.SentAsync(m => m is AppendReply { Round: 100 }));
    }

    /// <summary>A follower hears from its leader as long as its own disk hangs, and may answer nothing.</summary>
    [Fact]
    public async Task Answers_that_wait_for_the_disk_are_bounded()
    {
        const int Over = 100;
        int most = HostGroup.Options().MessagesMax;
        await using LoneHost lone = new(3);
        lone.Bring((new AppendRequest(Other, Self, 1, default, [], 0, 0), 50));
        await lone.SentAsync(m => m is AppendReply { Term: 1 });
        lone.Disk.Block();
        lone.Bring((new AppendRequest(Other, Self, 1, default, [new RaftEntry(1, 1, RaftEntryKind.Noop, new byte[10_000])], 0, 1), 10_100)); // too large for the thread that brings it
        await HostGroup.UntilAsync(() => Task.FromResult(lone.Disk.Waiting > 0), "a sync");
        for (int i = 2; i <= most + Over; i++) lone.Bring((new AppendRequest(Other, Self, 1, new LogPlace(1, 1), [], 0, i), 50));
        await HostGroup.UntilAsync(() => Task.FromResult(lone.Host.Dropped == Over), "more than may wait was dropped");
        lone.Disk.Unblock();
        await lone.SentAsync(m => m is AppendReply reply && reply.Round == most);
        lone.Bring((new AppendRequest(Other, Self, 1, new LogPlace(1, 1), [], 0, most + Over + 1), 50));
        await lone.SentAsync(m => m is AppendReply reply && reply.Round == most + Over + 1);
    }

    /// <summary>The most that a leader takes without a commit fills the journal's line in one round, before anybody has had its thread begin.</summary>
    [Fact]
    public async Task A_round_that_fills_the_journals_line_goes_on()
    {
        const int CommandBytes = 4_096, Count = 16_384;
        await using LoneHost lone = new(1);
        lone.Clock.Move(TimeSpan.FromSeconds(10));
        await HostGroup.UntilAsync(async () => await lone.PutAsync("a") is LedgerReply, "it leads");
        System.Buffers.ArrayBufferWriter<byte> encoded = new();
        LedgerCodec.Encode(new LedgerCommand.SetKey("key", new byte[CommandBytes - 100], null), lone.Host.WallNow, encoded);
        byte[] value = new byte[CommandBytes - 100 + CommandBytes - encoded.WrittenCount];
        TestCaller[] callers = [.. Enumerable.Range(0, Count).Select(_ => new TestCaller())];
        HostRequest[] requests = [.. callers.Select(c => new HostRequest.Ask(c, 1, lone.Due, new LedgerCommand.SetKey("key", value, null)))];
        Task brings = HostGroup.ApartAsync(() =>
        {
            lone.Host.Submit(requests);
            return true;
        });
        object[] answers = await Task.WhenAll(callers.Select(c => c.Answered)).WaitAsync(2 * HostGroup.Generous, TestContext.Current.CancellationToken);
        await brings;
        Assert.False(lone.Host.Stopped.IsCompleted, $"the server has stopped: {(lone.Host.Stopped.IsCompleted ? (await lone.Host.Stopped)?.Message : "")}");
        Assert.All(answers, a => Assert.IsType<LedgerReply>(a));
    }

    /// <summary>A host with a network that goes nowhere.</summary>
    private sealed class LoneHost : IRaftTransport, IAsyncDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-host-threads-");
        private readonly Lock _gate = new();
        private readonly List<(RaftMessage Message, string? Thread)> _sent = [];

        internal LoneHost(int voters)
        {
            RaftMembership first = RaftMembership.Of([.. Enumerable.Range(1, voters).Select(n => new ServerId(n))]);
            Host = RaftHost.Start(Self, first, _folder.FullName, HostGroup.Options() with { Clock = Clock }, _ => this, files: Disk);
        }

        internal RaftHost Host { get; }

        internal TestDisk Disk { get; } = new();

        internal HeldClock Clock { get; } = new();

        internal Instant Due => Host.Now + HostGroup.Generous;

        internal HostRequest Put(string key, ILedgerCaller caller) => new HostRequest.Ask(caller, 1, Due, new LedgerCommand.SetKey(key, Encoding.UTF8.GetBytes("1"), null));

        internal async Task<object> PutAsync(string key)
        {
            TestCaller caller = new();
            Host.Submit([Put(key, caller)]);
            return await caller.Answered.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        }

        internal void Bring((RaftMessage Message, int Bytes) brought) => Host.Receive(brought);

        /// <summary>The name of the thread that sent such a message.</summary>
        internal async Task<string?> SentAsync(Func<RaftMessage, bool> which)
        {
            string? thread = null;
            await HostGroup.UntilAsync(
                () =>
                {
                    lock (_gate)
                    {
                        int at = _sent.FindIndex(s => which(s.Message));
                        if (at >= 0) thread = _sent[at].Thread;
                        return Task.FromResult(at >= 0);
                    }
                },
                "a message");
            return thread;
        }

        public void Send(RaftMessage message)
        {
            lock (_gate) _sent.Add((message, Thread.CurrentThread.Name));
        }

        public void Flush()
        {
            // nothing leaves
        }

        public bool IsLinked(ServerId server) => true;

        public async ValueTask DisposeAsync()
        {
            Disk.Unblock();
            await Host.DisposeAsync();
            _folder.Delete(recursive: true);
        }
    }

    /// <summary>Holds the round that answers it, at its end.</summary>
    private sealed class HeldCaller : ILedgerCaller, IDisposable
    {
        private readonly ManualResetEventSlim _goOn = new();
        private int _answered;

        internal SemaphoreSlim Amid { get; } = new(0);

        internal void GoOn() => _goOn.Set();

        public void Answer(long id, CoordinatorStatus status) => _answered++;

        public void Answer(long id, LedgerReply reply) => throw new InvalidOperationException("a status was asked for");

        public void Answer(long id, LedgerPage<LedgerEntry> page) => throw new InvalidOperationException("a status was asked for");

        public void Done(long id) => throw new InvalidOperationException("a status was asked for");

        public void Refuse(long id, LedgerRefusal refusal) => throw new InvalidOperationException(refusal.Why);

        public void Flush()
        {
            Assert.Equal(1, _answered);
            Amid.Release();
            Assert.True(_goOn.Wait(HostGroup.Generous), "the test did not go on");
        }

        public void Dispose()
        {
            _goOn.Dispose();
            Amid.Dispose();
        }
    }
}
