using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Ledger.Group;

/// <summary>
/// What callers are told when a coordinator ends: <c>unknown</c> for what a follower may have, <c>not taken</c> for reads and for what nobody can have. A wrong "not taken" lets a caller do a
/// thing twice. One host alone, its followers played by the test, and a clock that stands, so that every round is the test's.
/// </summary>
public sealed class RaftHostEndTests
{
    [Fact]
    public async Task A_round_that_breaks_off_leaves_its_commands_unknown_and_its_reads_not_taken()
    {
        await using LoneLeader leader = await LoneLeader.StartAsync();
        Asked done = await leader.PutAsync("a");
        Assert.Equal("ok", await done.FirstAsync());
        await leader.SettleAsync();

        leader.Acknowledges = false;
        Asked early = leader.Ask(leader.Put("early")), earlyRead = leader.Ask(leader.Read);
        await leader.RoundAsync();

        // One message of the round has left for a follower when the other breaks it off.
        leader.BreaksOff = true;
        Asked inRound = new(), readInRound = new(), behind = new();
        Task brings = leader.BringAsync(leader.Read(readInRound), leader.Put("in the round")(inRound), leader.Put("behind it")(behind));
        await leader.Amid.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Asked later = leader.Ask(leader.Put("later")), laterRead = leader.Ask(leader.Read);
        leader.GoOn();
        await brings; // whoever brought the requests does not hear of what broke their round

        Assert.IsType<PlantedException>(await leader.Host.Stopped.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken));
        Assert.Contains("in the round", leader.HandedOn);
        Assert.Equal(["ok"], done.All);
        Assert.Equal("unknown", await early.FirstAsync());
        Assert.Equal("not taken", await earlyRead.FirstAsync());
        Assert.Equal("unknown", await inRound.FirstAsync());
        Assert.Equal("unknown", await behind.FirstAsync());
        Assert.Equal("not taken", await readInRound.FirstAsync());
        Assert.Equal("not taken", await later.FirstAsync());
        Assert.Equal("not taken", await laterRead.FirstAsync());
        Assert.All([early, earlyRead, inRound, behind, readInRound, later, laterRead], a => Assert.True(a.IsFlushed, "an answer was never sent off"));
        Assert.Equal("not taken", await leader.Ask(leader.Put("too late")).FirstAsync());
    }

    [Theory]
    [InlineData("the disk fails")]
    [InlineData("it is stopped")]
    public async Task Between_two_rounds_only_what_was_proposed_is_unknown(string how)
    {
        await using LoneLeader leader = await LoneLeader.StartAsync();
        leader.Acknowledges = false;
        Asked early = leader.Ask(leader.Put("early")), earlyRead = leader.Ask(leader.Read);
        await leader.RoundAsync();

        // A round is held at its end, on the thread that brought a request: what comes now is in line when the end comes.
        Asked status = new();
        leader.HoldsFlushOf = status;
        Task brings = leader.BringAsync(new HostRequest.Status(status, 1, leader.Due));
        await leader.Amid.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Asked late = leader.Ask(leader.Put("late")), lateRead = leader.Ask(leader.Read);
        ValueTask stopping = ValueTask.CompletedTask;
        if (how == "it is stopped") stopping = leader.Host.DisposeAsync();
        else ((IRaftJournalWatcher)leader.Host).Failed(new JournalException("broken", "the disk is broken"));
        leader.GoOn();
        await brings;

        await stopping;
        Exception? why = await leader.Host.Stopped.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);
        Assert.Equal(how == "it is stopped", why is null);
        Assert.Equal("status", await status.FirstAsync());
        Assert.Equal("unknown", await early.FirstAsync());
        Assert.Equal("not taken", await earlyRead.FirstAsync());
        Assert.Equal("not taken", await late.FirstAsync());
        Assert.Equal("not taken", await lateRead.FirstAsync());
        Assert.DoesNotContain("late", leader.HandedOn);
        Assert.All([early, earlyRead, late, lateRead, status], a => Assert.Single(a.All));
        Assert.All([early, earlyRead, late, lateRead, status], a => Assert.True(a.IsFlushed, "an answer was never sent off"));
    }

    /// <summary>The disk itself fails, under a command that the followers have.</summary>
    [Fact]
    public async Task A_command_that_the_own_disk_did_not_take_is_unknown()
    {
        await using LoneLeader leader = await LoneLeader.StartAsync();
        leader.Acknowledges = false;
        leader.Disk.Fails = true;
        Asked put = leader.Ask(leader.Put("a"));
        Assert.IsType<JournalException>(await leader.Host.Stopped.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken));
        Assert.Equal("unknown", await put.FirstAsync());
        Assert.Contains("a", leader.HandedOn);
    }

    private sealed class PlantedException() : Exception("planted");

    /// <summary>A leader of three whose two followers answer as the test says. Its monotonic clock moves only to let it stand for election.</summary>
    private sealed class LoneLeader : IRaftTransport, IAsyncDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-host-end-");
        private readonly HeldClock _clock = new();
        private readonly SemaphoreSlim _goOn = new(0);
        private readonly SemaphoreSlim _amid = new(0);
        private readonly Lock _gate = new();
        private readonly List<string> _handedOn = [];
        private readonly Dictionary<int, long> _acknowledged = [];

        private LoneLeader()
        {
            RaftHostOptions options = HostGroup.Options() with { Clock = _clock };
            RaftMembership first = RaftMembership.Of(new ServerId(1), new ServerId(2), new ServerId(3));
            Host = RaftHost.Start(new ServerId(1), first, _folder.FullName, options, _ => this, files: Disk);
        }

        internal RaftHost Host { get; }

        internal TestDisk Disk { get; } = new();

        /// <summary>Whether the followers answer entries and heartbeats.</summary>
        internal volatile bool Acknowledges = true;

        /// <summary>The next entries go to one follower; before the other's, the round waits for <see cref="GoOn"/> and breaks off.</summary>
        internal volatile bool BreaksOff;

        /// <summary>The round that answers this waits at its end for <see cref="GoOn"/>.</summary>
        internal volatile Asked? HoldsFlushOf;

        internal SemaphoreSlim Amid => _amid;

        internal Instant Due => Host.Now + HostGroup.Generous;

        /// <summary>Keys of all commands that were handed to a follower.</summary>
        internal IReadOnlyList<string> HandedOn
        {
            get
            {
                lock (_gate) return [.. _handedOn];
            }
        }

        internal static async Task<LoneLeader> StartAsync()
        {
            LoneLeader leader = new();
            leader._clock.Move(TimeSpan.FromSeconds(10));
            // Its first command is also its proof that it leads and that its first entry is committed.
            await HostGroup.UntilAsync(async () => await (await leader.PutAsync("first")).FirstAsync() == "ok", "the server leads");
            await leader.SettleAsync();
            return leader;
        }

        /// <summary>Both followers have acknowledged all that there is, and the leader has heard it: from now on it sends what is new to both at once.</summary>
        internal async Task SettleAsync()
        {
            await HostGroup.UntilAsync(
                async () =>
                {
                    Asked status = Ask(caller => new HostRequest.Status(caller, 1, Due));
                    await status.FirstAsync();
                    lock (_gate) return _acknowledged.Count == 2 && _acknowledged.Values.All(index => index == status.Status!.Last);
                },
                "both followers have all");
            await RoundAsync();
        }

        internal void GoOn() => _goOn.Release();

        internal Func<Asked, HostRequest> Put(string key) => caller => new HostRequest.Ask(caller, 1, Due, new LedgerCommand.SetKey(key, "1"u8.ToArray(), null));

        internal HostRequest Read(Asked caller) => new HostRequest.Read(caller, 1, Due, new LedgerQuery.Find(LedgerEntryKind.Value, new LedgerKey("", "a")));

        /// <summary>For a round that is held: it runs on the thread that brings the requests.</summary>
        internal Task BringAsync(params HostRequest[] requests) => HostGroup.ApartAsync(() =>
        {
            Host.Submit(requests);
            return true;
        });

        internal Asked Ask(Func<Asked, HostRequest> request)
        {
            Asked asked = new();
            Host.Submit([request(asked)]);
            return asked;
        }

        internal async Task<Asked> PutAsync(string key)
        {
            Asked asked = Ask(Put(key));
            _ = await asked.FirstAsync();
            return asked;
        }

        /// <summary>All that was asked before has been taken when this is answered.</summary>
        internal async Task RoundAsync() => Assert.Equal("status", await Ask(caller => new HostRequest.Status(caller, 1, Due)).FirstAsync());

        public void Send(RaftMessage message)
        {
            switch (message)
            {
                case VoteRequest vote:
                    Host.Receive((new VoteReply(vote.To, vote.From, vote.Term, vote.PreVote, Granted: true), 1));
                    break;
                case AppendRequest append:
                    if (append.Entries.Count > 0) Note(append);
                    if (Acknowledges) Acknowledge(append);
                    break;
            }
        }

        private void Acknowledge(AppendRequest append)
        {
            long match = append.Previous.Index + append.Entries.Count;
            Host.Receive((new AppendReply(append.To, append.From, append.Term, Success: true, match, default, append.Round), 1));
            lock (_gate) _acknowledged[append.To.Number] = match;
        }

        private void Note(AppendRequest append)
        {
            bool second = append.To == new ServerId(3);
            if (BreaksOff && second)
            {
                Hold();
                throw new PlantedException();
            }
            lock (_gate)
            {
                foreach (RaftEntry entry in append.Entries.Where(e => e.Kind == RaftEntryKind.Command))
                    if (LedgerCodec.Decode(entry.Payload.Span).Command is LedgerCommand.SetKey set) _handedOn.Add(set.Key);
            }
        }

        public void Flush()
        {
            if (HoldsFlushOf is not { All.Count: > 0 }) return;
            HoldsFlushOf = null;
            Hold();
        }

        private void Hold()
        {
            _amid.Release();
            Assert.True(_goOn.Wait(HostGroup.Generous), "the test did not go on");
        }

        public bool IsLinked(ServerId server) => true;

        public async ValueTask DisposeAsync()
        {
            _goOn.Release(10);
            await Host.DisposeAsync();
            _folder.Delete(recursive: true);
        }
    }

    /// <summary>Notes every answer, also those after the first, and whether they were sent off.</summary>
    private sealed class Asked : ILedgerCaller
    {
        private readonly TaskCompletionSource<string> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Lock _gate = new();
        private readonly List<string> _all = [];
        private bool _flushed;

        internal IReadOnlyList<string> All
        {
            get
            {
                lock (_gate) return [.. _all];
            }
        }

        /// <summary>Nothing was answered after the last flush.</summary>
        internal bool IsFlushed
        {
            get
            {
                lock (_gate) return _flushed;
            }
        }

        /// <summary>How the host was, when that was asked.</summary>
        internal CoordinatorStatus? Status { get; private set; }

        internal Task<string> FirstAsync() => _first.Task.WaitAsync(HostGroup.Generous, TestContext.Current.CancellationToken);

        public void Answer(long id, LedgerReply reply) => Take(reply.Outcome == LedgerOutcome.Ok ? "ok" : $"{reply.Outcome}");

        public void Answer(long id, LedgerPage<LedgerEntry> page) => Take("page");

        public void Answer(long id, CoordinatorStatus status)
        {
            Status = status;
            Take("status");
        }

        public void Done(long id) => Take("done");

        public void Refuse(long id, LedgerRefusal refusal) => Take(refusal.Certainty == LedgerCertainty.Unknown ? "unknown" : "not taken");

        public void Flush()
        {
            lock (_gate) _flushed = true;
        }

        private void Take(string answer)
        {
            lock (_gate)
            {
                _all.Add(answer);
                _flushed = false;
            }
            _first.TrySetResult(answer);
        }
    }
}
