using System.Runtime.InteropServices;
using Mesh30K.Consistency.Time;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Causal;

/// <summary>What a channel asks of its host while it steps.</summary>
public interface IChannelEffects
{
    /// <summary>
    /// A record for the journal, valid during the call. The host makes it durable before it lets the reply of the step out, and keeps the
    /// order of these calls. If it throws, or the record cannot be made durable, the channel has to be built anew (<see cref="Channel.Reset"/>).
    /// </summary>
    void Persist(byte kind, ReadOnlySpan<byte> record);
}

/// <summary>
/// A channel of tasks: a write-ahead log's state machine. An entry becomes ready when everything that it depends on is done; order holds along
/// dependencies, not between them. Sans-IO: <see cref="Step"/> decides and changes the state, the host persists. Not thread-safe: the host's lock or
/// process owns it.
/// </summary>
/// <remarks>
/// <para>Leases and retries go by the time that comes in with each step; a record says what became of them, so a replay needs no clock. Time may jump: a
/// lease may then expire too early, and the fencing token keeps its holder from doing harm.</para>
/// <para>The cost of a step is O(log n) in the open entries, and linear in what it adds, takes or ends; a reopening is linear in what is above the entry, and
/// in the direct dependents of what it depends on. DUTY OF THE HOST: a journal that others write is
/// applied to its end before a step.</para>
/// </remarks>
public sealed class Channel
{
    /// <summary>How many blockers <see cref="ChannelEntry.BlockedBy"/> names at most.</summary>
    public const int BlockedByMax = 100;

    private const int RecordBytesMax = 8 << 20;
    private const int CancelsOfRecordMax = 10_000;

    private readonly ChannelOptions _options;
    private readonly RecordWriter _record = new();
    private ChannelState _state = new();

    /// <summary>An empty channel. Throws <see cref="ArgumentOutOfRangeException"/> for a bound that is negative.</summary>
    public Channel(ChannelOptions? options = null)
    {
        _options = options ?? new ChannelOptions();
        int least = Math.Min(Math.Min(_options.OpenMax, _options.EndedMax), Math.Min(_options.TextCharsMax, _options.NameCharsMax));
        least = Math.Min(Math.Min(least, _options.DependenciesMax), Math.Min(_options.BatchMax, Math.Min(_options.ClaimMax, _options.WritersMax)));
        ArgumentOutOfRangeException.ThrowIfNegative(least, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.DelayMax, TimeSpan.FromDays(3650), nameof(options));
    }

    /// <summary>Every entry that is still known, ascending: a copy, O(n log n).</summary>
    public IEnumerable<ChannelEntry> Entries
    {
        get
        {
            ChannelNode[] nodes = Whole.All();
            Dictionary<Dot, List<Dot>> blocked = Blocking.OfAll(nodes);
            foreach (ChannelNode node in nodes) yield return node.View(blocked.TryGetValue(node.Id, out List<Dot>? by) ? by : []);
        }
    }

    /// <summary>How many entries are in each state.</summary>
    public ChannelCounts Counts => Whole.Counts;

    /// <summary>What this channel has seen of each writer.</summary>
    public VectorClock Clock => Whole.Writers.Clock;

    /// <summary>The earliest moment at which <see cref="Step"/> would find an expired lease or a retry that is due; null when there is none.</summary>
    public Instant? NextDue => Whole.FirstDue?.Due;

    private ChannelState Whole
    {
        get
        {
            Invariant.Check(_state.Loading is null);
            return _state;
        }
    }

    /// <summary>The entry; null when there is none, or it is retired.</summary>
    public ChannelEntry? Find(Dot id) => Whole.Find(id) is { } node ? node.View(Blocking.Of(_state, node)) : null;

    /// <summary>How an entry is or, when it is retired, was; null when it never was, or that is forgotten (more than 100,000 ranges of retired numbers of a writer).</summary>
    public EntryStatus? StatusOf(Dot id) => Whole.StatusOf(id);

    /// <summary>
    /// Whether one entry's writer had seen the other when it wrote it. Null when too little is known any more: one of them is unknown, or retired. Two clocks
    /// that contradict each other, which only an import can bring, make <see cref="CausalOrder.Concurrent"/>.
    /// </summary>
    public CausalOrder? Order(Dot a, Dot b)
    {
        if (Whole.StatusOf(a) is null || _state.StatusOf(b) is null) return null;
        if (a == b) return CausalOrder.Equal;
        if (a.Writer == b.Writer) return a < b ? CausalOrder.Before : CausalOrder.After;
        bool? aSeen = _state.Find(b)?.Seen.Contains(a);
        bool? bSeen = _state.Find(a)?.Seen.Contains(b);
        return (aSeen, bSeen) switch
        {
            (true, false or null) => CausalOrder.Before,
            (false or null, true) => CausalOrder.After,
            (null, _) or (_, null) => null,
            _ => CausalOrder.Concurrent,
        };
    }

    /// <summary>
    /// Does one command. First, leases that have expired and retries that are due by <paramref name="now"/> are dealt with, and recorded, whatever comes
    /// of the command. A refusal of the command is a reply, changes nothing and persists nothing.
    /// </summary>
    public ChannelReply Step(ChannelCommand command, Instant now, IChannelEffects effects)
    {
        ArgumentNullException.ThrowIfNull(command);
        ArgumentNullException.ThrowIfNull(effects);
        Invariant.Check(_state.Loading is null);
        Invariant.Check(now.Ticks >= 0 && now.Ticks <= ChannelFields.TicksMax);
        Wake(now, effects);
        ChannelReply reply = command switch
        {
            ChannelCommand.Push push => Push(push, now, effects),
            ChannelCommand.PushAll { Entries: [var only] } when _options.BatchMax > 0 => Push(only, now, effects),
            ChannelCommand.PushAll batch => PushAll(batch.Entries, now, effects),
            ChannelCommand.Claim claim => Claim(claim, now, effects),
            ChannelCommand.Complete complete => Complete(complete, now, effects),
            ChannelCommand.CompleteAndClaim both => CompleteAndClaim(both, now, effects),
            ChannelCommand.Renew renew => Hold(renew.Id, renew.Token, renew.Lease, null, now, effects),
            ChannelCommand.Checkpoint checkpoint => Hold(checkpoint.Id, checkpoint.Token, checkpoint.Lease, checkpoint.Data, now, effects),
            ChannelCommand.Fail fail => Fail(fail, now, effects),
            ChannelCommand.Release release => Release(release, effects),
            ChannelCommand.Cancel cancel => Cancel(cancel, now, effects),
            ChannelCommand.Reopen reopen => Reopen(reopen.Id, effects),
            _ => throw new ArgumentException($"a command that this channel does not know: {command.GetType().Name}", nameof(command)),
        };
        Retire(effects);
        return reply;
    }

    /// <summary>
    /// Applies a record that <see cref="Step"/> once persisted, or one of a snapshot. Throws <see cref="ChannelRecordException"/> for one that does not fit,
    /// and has then changed nothing; but of a snapshot that is refused, what came before stays: <see cref="Reset"/>.
    /// </summary>
    public void Apply(byte kind, ReadOnlySpan<byte> record) => ChannelReplay.Apply(_state, (RecordKind)kind, record);

    /// <summary>Forgets everything, to be built anew.</summary>
    public void Reset() => _state = new ChannelState();

    /// <summary>
    /// The whole state as records for <see cref="Apply"/> on an empty channel: the same state gives the same bytes. A record is at most as large as one
    /// entry with its texts, dependencies and clock. The channel must not step while this is read.
    /// </summary>
    public IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> Snapshot() => ChannelSnapshot.Of(Whole);

    /// <summary>
    /// Whether an end that was told of an entry goes beyond how it is: of two ends failed gives way to cancelled and both to done, as in a queue document,
    /// so that all who hear of them come to the same. An entry that was reopened counts as open.
    /// </summary>
    public static bool IsLaterEnd(EntryStatus now, EntryStatus told) => now switch
    {
        EntryStatus.Done => false,
        EntryStatus.Failed => told is EntryStatus.Cancelled or EntryStatus.Done,
        EntryStatus.Cancelled => told == EntryStatus.Done,
        _ => told >= EntryStatus.Done,
    };

    internal static ChannelReply Refusal(ChannelOutcome outcome, string message) => new(outcome, [], message);

    internal static string Past(EntryStatus? status) => status switch
    {
        EntryStatus.Done => "is done",
        EntryStatus.Failed => "has failed",
        EntryStatus.Cancelled => "was cancelled",
        _ => "has ended long ago",
    };

    private static ChannelReply Changed(ChannelNode node) => new(ChannelOutcome.Ok, [node.View([])]);

    /// <summary>Persists the record that is written; then the change is made.</summary>
    private void Persist(RecordKind kind, IChannelEffects effects) => effects.Persist((byte)kind, _record.Written);

    private void Wake(Instant now, IChannelEffects effects)
    {
        while (_state.FirstDue is { } node && node.Due <= now)
        {
            _record.Clear().Dot(node.Id);
            if (node.Phase == Phase.Claimed)
            {
                _record.At(now);
                Persist(RecordKind.LeaseExpired, effects);
                _state.ExpireLease(node, now);
            }
            else
            {
                Persist(RecordKind.RetryDue, effects);
                _state.RetryDue(node);
            }
        }
    }

    /// <summary>A 64th at once, so that not every completion brings a record of its own for this.</summary>
    private void Retire(IChannelEffects effects)
    {
        if (_state.Ended <= _options.EndedMax || _state.Retirable == 0) return;
        int count = (int)Math.Min(_state.Retirable, _state.Ended - (_options.EndedMax - (_options.EndedMax / 64)));
        _record.Clear().Number(count);
        Persist(RecordKind.Retired, effects);
        _state.Retire(count);
    }

    /// <summary>One entry needs no plan: it can depend on none that is new.</summary>
    private ChannelReply Push(ChannelCommand.Push push, Instant now, IChannelEffects effects)
    {
        if (NewEntry.FindKnown(_state, _options, push, out ChannelNode? node) is { } unfit) return unfit;
        Dot[] dependsOn = NewEntry.Ascending([.. push.DependsOn]);
        if (node is not null && push.Ended is not null) return Plan([push], now, effects); // it may end here too
        if (node is not null) return NewEntry.Compare(node, push, dependsOn) ?? Changed(node);
        foreach (Dot on in dependsOn)
        {
            string name = push.Id?.ToString() ?? "entry 1 of the batch";
            if (on == push.Id || on.Number == -1) return Refusal(ChannelOutcome.Cycle, $"the dependencies form a circle: {name} depends on {name}");
            if (on.Number < -1) return ChannelRules.Invalid("a dependency names no entry of the batch");
        }
        long last = NewEntry.Seen(_state.Writers.Find(_options.Writer)?.Seen ?? 0, push, _options.Writer);
        Dot id = push.Id ?? new Dot(last + 1, _options.Writer);
        if (NewEntry.Make(_state, _options, push, id, dependsOn, null, now, out node) is { } refusal) return refusal;
        return Add(new ReadOnlySpan<ChannelNode>(in node!), [], now, effects) ?? Changed(node!);
    }

    private ChannelReply PushAll(IReadOnlyList<ChannelCommand.Push> pushes, Instant now, IChannelEffects effects)
    {
        if (pushes.Count == 0 || pushes.Count > _options.BatchMax) return ChannelRules.Invalid($"a batch of {pushes.Count}; 1 to {_options.BatchMax}");
        return Plan(pushes, now, effects);
    }

    private ChannelReply Plan(IReadOnlyList<ChannelCommand.Push> pushes, Instant now, IChannelEffects effects)
    {
        (PushPlan plan, ChannelReply? refusal) = PushPlan.Make(_state, _options, pushes, now);
        refusal ??= Add(CollectionsMarshal.AsSpan(plan.Fresh), [.. plan.Ends.Values], now, effects);
        return refusal ?? new ChannelReply(ChannelOutcome.Ok, [.. plan.Nodes.Select(n => n.View([]))]);
    }

    /// <summary>Persists and adds new entries, then ends those that ended elsewhere, all in one record; or says which bound they exceed.</summary>
    private ChannelReply? Add(ReadOnlySpan<ChannelNode> fresh, EntryEnd[] ends, Instant now, IChannelEffects effects)
    {
        if (fresh.IsEmpty && ends.Length == 0) return null;
        if (NewEntry.CheckBounds(_state, _options, fresh, ends.Count(e => e.Node.IsOpen)) is { } refusal) return refusal;
        bool isImport = ends.Length > 0;
        foreach (ChannelNode node in fresh) isImport |= node.Result is not null;
        _record.Clear().At(now).Number(fresh.Length);
        foreach (ChannelNode node in fresh)
        {
            ChannelReplay.WriteNode(_record, node);
            if (isImport) _record.Optional(node.Result);
            if (_record.Written.Length > RecordBytesMax) return TooLarge();
        }
        if (isImport) _record.Number(ends.Length);
        foreach (EntryEnd end in ends)
        {
            _record.Dot(end.Node.Id).Number((long)end.How).Optional(end.Result);
            if (_record.Written.Length > RecordBytesMax) return TooLarge();
        }
        Persist(isImport ? RecordKind.Imported : RecordKind.Pushed, effects);
        foreach (ChannelNode node in fresh) _state.Add(node);
        foreach (EntryEnd end in ends) _state.EndAs(end, now);
        return null;
    }

    private static ChannelReply TooLarge() => Refusal(ChannelOutcome.Full, $"the entries make more than {RecordBytesMax} bytes: push them in parts");

    private ChannelReply Claim(ChannelCommand.Claim claim, Instant now, IChannelEffects effects)
    {
        if (ChannelRules.Claim(claim.Agent, claim.Lease, claim.Limit, _options) is { } wrong) return wrong;
        List<ChannelEntry> taken = [];
        Take(claim.Agent, Until(now, claim.Lease), claim.Limit, taken, effects);
        return taken.Count > 0 ? new ChannelReply(ChannelOutcome.Ok, taken) : Refusal(ChannelOutcome.Empty, "nothing is ready for " + claim.Agent);
    }

    private void Take(string agent, Instant until, int limit, List<ChannelEntry> taken, IChannelEffects effects)
    {
        int count = 0;
        long firstToken = _state.TokenLast + 1;
        List<Dot>? more = null;
        Dot first = default;
        for (; count < limit && _state.FirstReady(agent) is { } node; count++)
        {
            _state.Claim(node, agent, until);
            taken.Add(node.View([]));
            if (count == 0) first = node.Id;
            else (more ??= [first]).Add(node.Id);
        }
        if (count == 0) return;
        _record.Clear().Text(agent).At(until).Number(firstToken);
        _record.Dots(more is null ? [first] : [.. more]);
        Persist(RecordKind.Claimed, effects);
    }

    private ChannelReply CompleteAndClaim(ChannelCommand.CompleteAndClaim both, Instant now, IChannelEffects effects)
    {
        if (ChannelRules.Claim(both.Agent, both.Lease, both.Limit, _options) is { } wrong) return wrong;
        ChannelReply completed = Complete(new ChannelCommand.Complete(both.Id, both.Token, both.Result), now, effects);
        if (completed.Outcome != ChannelOutcome.Ok) return completed;
        List<ChannelEntry> entries = [completed.Entries[0]];
        Take(both.Agent, Until(now, both.Lease), both.Limit, entries, effects);
        return new ChannelReply(ChannelOutcome.Ok, entries);
    }

    private ChannelReply Complete(ChannelCommand.Complete complete, Instant now, IChannelEffects effects)
    {
        if (complete.Result is not null && ChannelRules.Line("result", complete.Result, _options.TextCharsMax) is { } wrong) return wrong;
        if (_state.Find(complete.Id) is not { } node) return NotFound(complete.Id);
        bool isTokens = node.Token == complete.Token && complete.Token > 0;
        if (isTokens && node.Phase == Phase.Done) return Changed(node);
        if (!isTokens || (node.Phase != Phase.Claimed && !node.Lapsed)) return NotHeld(node, complete.Token);
        _record.Clear().Dot(node.Id).At(now).Optional(complete.Result);
        Persist(RecordKind.Completed, effects);
        _state.End(node, Phase.Done, now, complete.Result);
        return Changed(node);
    }

    private ChannelReply Hold(Dot id, long token, TimeSpan lease, string? data, Instant now, IChannelEffects effects)
    {
        if (ChannelRules.Lease(lease, _options) is { } wrong) return wrong;
        if (data is not null && ChannelRules.Line("checkpoint", data, _options.TextCharsMax) is { } unfit) return unfit;
        if (Held(id, token, out ChannelNode? node) is { } refusal) return refusal;
        Instant until = Until(now, lease);
        _record.Clear().Dot(id).At(until);
        if (data is not null) _record.Text(data);
        Persist(data is null ? RecordKind.Renewed : RecordKind.Checkpointed, effects);
        if (data is not null) node!.Checkpoint = data;
        _state.Renew(node!, until);
        return Changed(node!);
    }

    private ChannelReply Fail(ChannelCommand.Fail fail, Instant now, IChannelEffects effects)
    {
        if (ChannelRules.Line("reason", fail.Reason, _options.TextCharsMax) is { } wrong) return wrong;
        if (fail.RetryAfter is { } delay && (delay < TimeSpan.Zero || delay > _options.DelayMax)) return ChannelRules.Invalid($"a retry after {delay}; 0 to {_options.DelayMax}");
        if (Held(fail.Id, fail.Token, out ChannelNode? node) is { } refusal) return refusal;
        if (fail.RetryAfter is { } after && node!.Attempts < node.AttemptsMax)
        {
            Instant due = Until(now, after);
            _record.Clear().Dot(node.Id).At(due).Text(fail.Reason);
            Persist(RecordKind.Postponed, effects);
            _state.Postpone(node, due, fail.Reason);
        }
        else
        {
            _record.Clear().Dot(fail.Id).At(now).Text(fail.Reason);
            Persist(RecordKind.Failed, effects);
            _state.End(node!, Phase.Failed, now, fail.Reason);
        }
        return Changed(node!);
    }

    private ChannelReply Release(ChannelCommand.Release release, IChannelEffects effects)
    {
        if (Held(release.Id, release.Token, out ChannelNode? node) is { } refusal) return refusal;
        _record.Clear().Dot(release.Id);
        Persist(RecordKind.Released, effects);
        _state.Release(node!);
        return Changed(node!);
    }

    private ChannelReply Cancel(ChannelCommand.Cancel cancel, Instant now, IChannelEffects effects)
    {
        if (ChannelRules.Line("reason", cancel.Reason, _options.TextCharsMax) is { } wrong) return wrong;
        if (_state.Find(cancel.Id) is not { } node) return NotFound(cancel.Id);
        if (node.Phase == Phase.Done) return Refusal(ChannelOutcome.NotHeld, $"{node.Id} is done: too late to cancel it");
        List<ChannelNode> dependents = cancel.Dependents ? Blocking.WaitingFor(node) : [];
        dependents.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        IEnumerable<ChannelNode> all = node.Phase == Phase.Cancelled ? dependents : dependents.Append(node).OrderBy(n => n.Id);
        foreach (ChannelNode[] part in all.Chunk(CancelsOfRecordMax))
        {
            _record.Clear().At(now).Text(cancel.Reason).Dots(Array.ConvertAll(part, n => n.Id));
            Persist(RecordKind.Cancelled, effects);
            foreach (ChannelNode each in part) _state.End(each, Phase.Cancelled, now, cancel.Reason);
        }
        return new ChannelReply(ChannelOutcome.Ok, [node.View([]), .. dependents.Select(n => n.View([]))]);
    }

    private ChannelReply Reopen(Dot id, IChannelEffects effects)
    {
        if (_state.Find(id) is not { } node) return NotFound(id);
        if (node.Phase is not (Phase.Failed or Phase.Cancelled)) return Refusal(ChannelOutcome.NotHeld, $"{id} is {Word(node)}: only what failed or was cancelled can be reopened");
        if (!ChannelReplay.IsReopenable(_state, node))
            return Refusal(ChannelOutcome.UnknownDependency, $"{id} depends on {Array.Find(node.DependsOn, on => !ChannelReplay.IsDependable(_state, on, isOpen: true))}, which is not done and no more known: push it anew");
        if (Blocking.WouldWaitForItself(_state, node)) return Refusal(ChannelOutcome.Cycle, $"{id} depends on an open entry that depends on {id}: cancel that one first");
        if (_state.Open >= _options.OpenMax) return Refusal(ChannelOutcome.Full, $"the channel has {_state.Open} open entries of at most {_options.OpenMax}; complete or cancel some");
        _record.Clear().Dot(id);
        Persist(RecordKind.Reopened, effects);
        _state.Reopen(node);
        return Changed(node);
    }

    private static Instant Until(Instant now, TimeSpan span) => new(Math.Min(now.Ticks + span.Ticks, ChannelFields.TicksMax));

    private ChannelReply? Held(Dot id, long token, out ChannelNode? node)
    {
        node = _state.Find(id);
        if (node is null) return NotFound(id);
        return node.Phase == Phase.Claimed && node.Token == token ? null : NotHeld(node, token);
    }

    private static ChannelReply NotHeld(ChannelNode node, long token)
    {
        string now = node.Phase == Phase.Claimed ? $"{node.ClaimedBy} holds it under the token {node.Token} until {node.Due}" : $"it is {Word(node)}";
        return Refusal(ChannelOutcome.NotHeld, $"{node.Id} is not held under the token {token}: {now}");
    }

    private static string Word(ChannelNode node) => node.Phase switch
    {
        Phase.Waiting => "waiting for what it depends on",
        Phase.Delayed => $"waiting for its next attempt at {node.Due}",
        Phase.Ready => "ready to be claimed",
        Phase.Claimed => $"claimed by {node.ClaimedBy}",
        Phase.Done => "done",
        Phase.Failed => "failed",
        _ => "cancelled",
    };

    private ChannelReply NotFound(Dot id) => Refusal(
        ChannelOutcome.NotFound, _state.StatusOf(id) is { } status ? $"{id} {Past(status)}, and more is no longer known of it" : $"there is no {id}");
}
