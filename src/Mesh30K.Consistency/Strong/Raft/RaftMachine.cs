using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>
/// One server of a Raft group, after Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014, extended version; here "paper"),
/// and Ongaro's thesis "Consensus: Bridging Theory and Practice" (2014; here "thesis"). Sans-IO: <see cref="Step"/> decides, the host acts
/// (<see cref="RaftEffect"/> says in which order). Not thread-safe: one loop of the host owns it.
/// </summary>
/// <remarks>
/// <para>
/// What makes it safe: a term or a vote is durable before a message says so; an entry counts for its server when it is durable there, the leader
/// included, although the leader may send it earlier (thesis 10.2.1); a leader counts only entries of its own term (paper 5.4.2) and commits one before
/// it reads or changes the membership; a membership changes by one server at a time. Time decides only when something is tried, so a clock that jumps
/// or drifts costs availability and never safety: reads ask a majority and use no lease.
/// </para>
/// <para>
/// Elections begin with a pre-vote (thesis 9.6), a leader without a majority steps down (6.2), and who hears from a leader gives no vote (4.2.3), so a
/// server that was cut off, paused or removed disturbs nobody when it comes back.
/// </para>
/// <para>DUTY OF THE HOST: <c>now</c> should be a monotonic clock; when it goes back all the same, time stands still for that step.</para>
/// </remarks>
public sealed partial class RaftMachine
{
    private readonly RaftOptions _options;
    private RaftLog _log;
    private readonly SortedSet<ServerId> _votes = [];
    private ulong _random;
    private RaftEffects _effects = null!;
    private Instant _now;
    private TimeSpan _wentBack;

    private long _term;
    private ServerId _votedFor;
    private Instant _electionDue;
    private Instant _heardAt = new(long.MinValue / 2);

    /// <summary>A server as its durable state left it, a follower.</summary>
    /// <param name="self">This server.</param>
    /// <param name="durable">What <see cref="RaftRecovery"/> made of its journal. Its state machine stands at the snapshot.</param>
    /// <param name="options">Throws <see cref="ArgumentOutOfRangeException"/> for a value out of range.</param>
    /// <param name="seed">Of the jitter of its elections: another one for each server and start.</param>
    public RaftMachine(ServerId self, RaftDurable durable, RaftOptions options, ulong seed, Instant now)
    {
        ArgumentNullException.ThrowIfNull(durable);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(self.Number, nameof(self));
        options.Check();
        (Self, _options, _random, _now) = (self, options, seed, now);
        (_term, _votedFor) = (durable.State.Term, durable.State.VotedFor);
        _log = new RaftLog(durable.Snapshot, durable.Base, durable.Entries);
        Snapshot = durable.Snapshot;
        Invariant.Check(_log.Last.Term <= _term);
        CommitIndex = AppliedIndex = _given = Snapshot.At.Index;
        DurableIndex = _log.Last.Index;
        DelayElection();
    }

    public ServerId Self { get; }

    public RaftRole Role { get; private set; }

    public long Term => _term;

    /// <summary>Who leads, as far as is known here.</summary>
    public ServerId Leader { get; private set; }

    /// <summary>Everything up to here is committed, as far as is known here.</summary>
    public long CommitIndex { get; private set; }

    /// <summary>Everything up to here is in the state machine.</summary>
    public long AppliedIndex { get; private set; }

    /// <summary>Everything up to here is durable on this server.</summary>
    public long DurableIndex { get; private set; }

    public LogPlace Last => _log.Last;

    /// <summary>The members as of the end of the log, committed or not.</summary>
    public RaftMembership Membership => _log.Membership;

    /// <summary>The latest snapshot.</summary>
    public SnapshotMeta Snapshot { get; private set; }

    /// <summary>When the next <see cref="RaftInput.Tick"/> has something to do.</summary>
    public Instant NextDue => (Role == RaftRole.Leader ? _heartbeatDue : _electionDue) - _wentBack;

    /// <summary>The entry at that index; null when it is not in memory.</summary>
    public RaftEntry? EntryAt(long index) => _log.At(index);

    /// <summary>Takes one input and adds what is to be done to <paramref name="effects"/>.</summary>
    public void Step(RaftInput input, Instant now, RaftEffects effects)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(effects);
        _effects = effects;
        if (now + _wentBack < _now) _wentBack = _now - now;
        _now = now + _wentBack;
        switch (input)
        {
            case RaftInput.Receive receive: Receive(receive.Message); break;
            case RaftInput.Persisted persisted: Persisted(persisted.Sequence); break;
            case RaftInput.Applied applied: Applied(applied.Index); break;
            case RaftInput.Propose propose: Propose(propose); break;
            case RaftInput.Read read: Read(read.Id); break;
            case RaftInput.Tick: Tick(); break;
            case RaftInput.SnapshotMade made: SnapshotMade(made.Index, made.Bytes); break;
            case RaftInput.Change change: Change(change); break;
            case RaftInput.Transfer transfer: Transfer(transfer); break;
            default: throw new ArgumentException($"an input that this machine does not know: {input.GetType().Name}", nameof(input));
        }
        if (Role == RaftRole.Leader) Lead();
        ApplyCommitted();
    }

    private bool IsVoter => _log.Membership.IsVoter(Self);

    /// <summary>
    /// A voter, or one that its own log removes by an entry that is not yet committed: others may need its log to elect anybody (thesis 4.2.2). It does not
    /// count its own vote then.
    /// </summary>
    private bool MayStand => IsVoter || (_log.MembershipIndex > CommitIndex && _log.MembershipAt(CommitIndex).IsVoter(Self));

    private void Tick()
    {
        if (Role == RaftRole.Leader)
        {
            if (_now >= _heartbeatDue) Beat();
        }
        else if (_now >= _electionDue)
        {
            if (MayStand) AskWhether();
            else DelayElection();
        }
    }

    private void Receive(RaftMessage message)
    {
        Invariant.Check(message.To == Self && message.From != Self);
        if (message is VoteRequest request)
        {
            Answer(request);
            return;
        }
        bool grantsPreVote = message is VoteReply { PreVote: true, Granted: true };
        if (message.Term > _term && !grantsPreVote) Follow(message.Term, ServerId.None);
        if (message.Term < _term)
        {
            // A leader of an old term learns of this one (paper 5.1), also one that nobody would elect away (thesis 9.6).
            if (message is AppendRequest or SnapshotChunk) Reply(new AppendReply(Self, message.From, _term, false, 0, default, 0));
            return;
        }
        switch (message)
        {
            case AppendRequest append: Receive(append); break;
            case SnapshotChunk chunk: Receive(chunk); break;
            case AppendReply reply when Role == RaftRole.Leader: Receive(reply); break;
            case SnapshotReply reply when Role == RaftRole.Leader: Receive(reply); break;
            case VoteReply reply: Count(reply); break;
            case TimeoutNow when Role != RaftRole.Leader && IsVoter: Campaign(transfer: true); break;
        }
    }

    /// <summary>Becomes a follower of that term (paper 5.1).</summary>
    private void Follow(long term, ServerId leader)
    {
        Invariant.Check(term >= _term);
        if (Role == RaftRole.Leader) StopLeading();
        if (term > _term)
        {
            (_term, _votedFor) = (term, ServerId.None);
            PersistHard();
            _incoming = null;
        }
        Role = RaftRole.Follower;
        Leader = leader;
        DelayElection();
    }

    /// <summary>Randomised so that two servers seldom stand at once (paper 5.2).</summary>
    private void DelayElection()
    {
        // SplitMix64 (Steele, Lea, Flood 2014).
        ulong z = _random += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        _electionDue = _now + _options.ElectionMin + new TimeSpan((long)(z % (ulong)_options.ElectionSpread.Ticks));
    }

    /// <summary>Sends what says nothing of the log: when term and vote are durable.</summary>
    private void Reply(RaftMessage message) => _effects.Add(new RaftEffect.Send(message, _hardSequence));
}
