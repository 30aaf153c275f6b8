using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Ports;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Links.People;

/// <summary>What the link to people needs of the node around it. Owned by the node.</summary>
/// <param name="Directory">Who is enrolled as a person.</param>
/// <param name="Ingress">Where answers and heartbeats go.</param>
/// <param name="Membership">How people get a place.</param>
/// <param name="Now">The mesh's clock.</param>
/// <param name="Timers">What wakes the link when something is due.</param>
public sealed record PeopleNeeds(AgentDirectory Directory, IMeshIngress Ingress, IMeshMembership Membership, Func<Instant> Now, TimeProvider Timers);

/// <summary>How an answer was taken.</summary>
public enum InboxAnswer : byte
{
    /// <summary>It is on its way to the lead.</summary>
    Taken,

    /// <summary>There is no such item.</summary>
    Unknown,

    /// <summary>It was answered before, is over, or was taken back.</summary>
    Ended,

    /// <summary>The mesh could not take the answer now; the item stays open.</summary>
    Busy,
}

/// <summary>
/// The link to people (class F): they join when they are enrolled, their deliveries wait in an inbox until they answer or the deadline comes, and the answer goes to the lead. A person with an inbox counts as reachable,
/// so the link sends their heartbeats. Nothing of it survives a restart, as operations do not. Thread-safe; owned by the node's server.
/// </summary>
public sealed class PeopleLink : IAgentLink, IAsyncDisposable
{
    /// <summary>As often as other agents are asked for a heartbeat.</summary>
    internal static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(5);

    private readonly PeopleNeeds _needs;
    private readonly Lock _gate = new();
    private readonly Inbox _inbox;
    private readonly Dictionary<int, AgentId> _byIndex = [];
    private readonly Dictionary<AgentId, Membership> _members = [];
    private readonly HashSet<AgentId> _joining = [];
    private readonly ITimer _due;
    private readonly ITimer _beat;
    private Instant? _dueAt;
    private long _refused;
    private long _lostRefusals;
    private bool _stopped;

    /// <param name="needs">The node around it.</param>
    /// <param name="options">Its bounds.</param>
    public PeopleLink(PeopleNeeds needs, InboxOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(needs);
        _needs = needs;
        _inbox = new Inbox(options ?? new InboxOptions(), Random.Shared.Next);
        _due = needs.Timers.CreateTimer(_ => Wake(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _beat = needs.Timers.CreateTimer(_ => Beat(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Hears of every change: the event's word (<c>added</c>, <c>reminder</c>, <c>answered</c>, <c>expired</c>, <c>withdrawn</c>) and the item. Any thread; must not block. Set before <see cref="Start"/>.</summary>
    public Action<string, InboxItem>? Changed { get; set; }

    /// <summary>Deliveries that found a full inbox.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>CONFLICTs about a full inbox that the mesh was too busy to take.</summary>
    public long LostRefusals => Interlocked.Read(ref _lostRefusals);

    /// <summary>Lets the people in who are enrolled, and from now on those who will be.</summary>
    public void Start()
    {
        _needs.Directory.Enrolled += OnEnrolled;
        _needs.Directory.Revoked += OnRevoked;
        Beat();
    }

    /// <inheritdoc/>
    public void Joined(Membership member)
    {
        ArgumentNullException.ThrowIfNull(member);
        lock (_gate)
        {
            if (_members.TryGetValue(member.Id, out Membership? before)) _byIndex.Remove(before.AgentIndex);
            _members[member.Id] = member;
            _byIndex[member.AgentIndex] = member.Id;
        }
    }

    /// <inheritdoc/>
    public void Deliver(ReadOnlySpan<Delivery> due, Instant releasedAt)
    {
        List<InboxChange> changes = [];
        lock (_gate)
        {
            foreach (ref readonly Delivery delivery in due)
            {
                if (!_byIndex.TryGetValue(delivery.AgentIndex, out AgentId person)) continue; // left since it was planned: the lead counts it as in transit
                InboxItem draft = ItemOf(delivery, person, releasedAt);
                if (_inbox.Add(draft) is not { } item) RefuseFull_NeedsLock(draft);
                else if (item.AskedAt == releasedAt) changes.Add(new InboxChange("added", item));
            }
            SetTimer_NeedsLock();
        }
        Tell(changes);
    }

    /// <inheritdoc/>
    public void Cancel(int agentIndex, MessageId message, string reason)
    {
        InboxItem? item;
        lock (_gate)
        {
            if (!_byIndex.TryGetValue(agentIndex, out AgentId person)) return;
            item = _inbox.Of(person).FirstOrDefault(i => i.State == InboxState.Open && i.Address.Message == message);
            if (item is null) return;
            item = _inbox.End(item, InboxState.Withdrawn, _needs.Now(), text: reason);
            SetTimer_NeedsLock();
        }
        Tell([new InboxChange("withdrawn", item)]);
    }

    /// <summary>Answers an item for its person. The item as it is afterwards; null when there is none.</summary>
    /// <param name="id">The item.</param>
    /// <param name="ready">READY, or CONFLICT.</param>
    /// <param name="text">The result, or why not; null for no words.</param>
    public (InboxAnswer Outcome, InboxItem? Item) Answer(string id, bool ready, string? text)
    {
        Instant now = _needs.Now();
        Advance(now);
        InboxItem item;
        lock (_gate)
        {
            if (_inbox.Find(id) is not { } known) return (InboxAnswer.Unknown, null);
            if (known.State != InboxState.Open) return (InboxAnswer.Ended, known);
            TrinaryState state = ready ? TrinaryState.Ready : TrinaryState.Conflict;
            if (!Post(known, state, text, now, _inbox.OpenOf(known.Person) - 1)) return (InboxAnswer.Busy, known);
            item = _inbox.End(known, InboxState.Answered, now, state, text);
            SetTimer_NeedsLock();
        }
        Tell([new InboxChange("answered", item)]);
        return (InboxAnswer.Taken, item);
    }

    /// <summary>What waits for one person, or for all, soonest deadline first; with <paramref name="ended"/> also what is over.</summary>
    public IReadOnlyList<InboxItem> List(AgentId? person, bool ended)
    {
        Advance(_needs.Now());
        lock (_gate) return [.. _inbox.Of(person).Where(i => ended || i.State == InboxState.Open).OrderBy(i => i.State).ThenBy(i => i.Deadline).ThenBy(i => i.Id, StringComparer.Ordinal)];
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate) _stopped = true;
        _needs.Directory.Enrolled -= OnEnrolled;
        _needs.Directory.Revoked -= OnRevoked;
        await _due.DisposeAsync().ConfigureAwait(false);
        await _beat.DisposeAsync().ConfigureAwait(false);
    }

    private static InboxItem ItemOf(in Delivery delivery, AgentId person, Instant askedAt)
    {
        OperationOrder order = delivery.Order;
        Instant ends = delivery.Slip.ExpiresAt < order.GatherUntil ? delivery.Slip.ExpiresAt : order.GatherUntil;
        return new InboxItem
        {
            Id = "",
            Person = person,
            OperationId = order.OperationId,
            Verb = order.Spec.Verb,
            Payload = order.Payload,
            AskedAt = askedAt,
            Deadline = ends > askedAt ? ends : askedAt,
            Address = new InboxAddress(delivery.Slip.Cluster.Sector, delivery.Slip.Cluster.Index, delivery.Slot, delivery.Slip.Operation, order.MessageId),
        };
    }

    private void RefuseFull_NeedsLock(InboxItem draft)
    {
        Interlocked.Increment(ref _refused);
        if (!Post(draft, TrinaryState.Conflict, $"the inbox of {draft.Person} is full", draft.AskedAt, _inbox.OpenOf(draft.Person))) Interlocked.Increment(ref _lostRefusals);
    }

    private bool Post(InboxItem item, TrinaryState state, string? text, Instant now, int depth)
    {
        AgentAck ack = new()
        {
            ClusterIndex = item.Address.ClusterIndex,
            Slot = item.Address.Slot,
            Operation = item.Address.Operation,
            ReceivedAt = now,
            State = state,
            ProcessingMs = (float)Math.Max(0, now.MsSince(item.AskedAt)),
            QueueDepth = depth,
            Detail = state == TrinaryState.Conflict
                ? new AckDetail(null, new ConflictDetail { Type = ConflictType.Other, ConflictingData = text is null ? null : RawJson.Text(text) })
                : text is null ? null : new AckDetail(text, null),
        };
        return _needs.Ingress.Post(_needs.Ingress.LoopOf(item.Address.Sector), [ack], 1);
    }

    private void OnEnrolled(EnrolledAgent agent)
    {
        if (agent.Link == AgentLinkKind.Person) _ = JoinAsync(agent);
    }

    /// <summary>One attempt; who got no place is tried again with the next heartbeats.</summary>
    private async Task JoinAsync(EnrolledAgent person)
    {
        lock (_gate)
        {
            if (_stopped || !_joining.Add(person.Id)) return;
        }
        try
        {
            Membership? member = await _needs.Membership.JoinAsync(new AgentDescription(person.Id, person.Class, [.. person.Capabilities]), this).ConfigureAwait(false);
            bool isRevoked = _needs.Directory.Find(person.Id) is not { RevokedAt: null };
            if (member is not null && isRevoked) await LeaveAsync(person.Id).ConfigureAwait(false); // revoked meanwhile
        }
        finally
        {
            lock (_gate) _joining.Remove(person.Id);
        }
    }

    private void OnRevoked(AgentId id)
    {
        if (_needs.Directory.Find(id) is not { Link: AgentLinkKind.Person, RevokedAt: not null }) return;
        List<InboxChange> changes = [];
        lock (_gate)
        {
            foreach (InboxItem item in _inbox.Of(id).Where(i => i.State == InboxState.Open).ToArray())
                changes.Add(new InboxChange("withdrawn", _inbox.End(item, InboxState.Withdrawn, _needs.Now(), text: "the person was revoked")));
            SetTimer_NeedsLock();
        }
        Tell(changes);
        _ = LeaveAsync(id);
    }

    private async Task LeaveAsync(AgentId id)
    {
        lock (_gate)
        {
            if (_members.Remove(id, out Membership? member)) _byIndex.Remove(member.AgentIndex);
        }
        await _needs.Membership.LeaveAsync(id).ConfigureAwait(false);
    }

    /// <summary>The heartbeats of all people who are in, and another try for those who are not.</summary>
    private void Beat()
    {
        Membership[] members;
        HashSet<AgentId> isIn;
        Dictionary<AgentId, int> depths;
        lock (_gate)
        {
            if (_stopped) return;
            members = [.. _members.Values];
            isIn = [.. _members.Keys];
            depths = members.ToDictionary(m => m.Id, m => _inbox.OpenOf(m.Id));
        }
        Instant now = _needs.Now();
        foreach (IGrouping<int, Membership> loop in members.GroupBy(m => _needs.Ingress.LoopOf(m.Place.Cluster.Sector)))
        {
            AgentHeartbeat[] beats = [.. loop.Select(m => new AgentHeartbeat { ClusterIndex = m.Place.Cluster.Index, Slot = m.Place.Slot, ReceivedAt = now, QueueDepth = depths[m.Id] })];
            _ = _needs.Ingress.Post(loop.Key, beats, beats.Length); // the next come in a few seconds; the host counts what it drops
        }
        foreach (EnrolledAgent person in _needs.Directory.All)
            if (person is { Link: AgentLinkKind.Person, RevokedAt: null } && !isIn.Contains(person.Id)) _ = JoinAsync(person);
        _beat.Change(HeartbeatEvery, Timeout.InfiniteTimeSpan);
    }

    private void Wake()
    {
        lock (_gate) _dueAt = null;
        Advance(_needs.Now());
    }

    private void Advance(Instant now)
    {
        InboxChange[] changes;
        lock (_gate)
        {
            changes = [.. _inbox.Advance(now)];
            SetTimer_NeedsLock();
        }
        Tell(changes);
    }

    private void SetTimer_NeedsLock()
    {
        Instant? due = _inbox.NextDue;
        if (due == _dueAt || _stopped) return;
        _dueAt = due;
        TimeSpan after = due is { } at ? at - _needs.Now() : Timeout.InfiniteTimeSpan;
        if (due is not null) after = after < TimeSpan.Zero ? TimeSpan.Zero : after + TimeSpan.FromMilliseconds(1); // timers count whole milliseconds
        _due.Change(after, Timeout.InfiniteTimeSpan);
    }

    private void Tell(IReadOnlyList<InboxChange> changes)
    {
        foreach ((string word, InboxItem item) in changes) Changed?.Invoke(word, item);
    }
}
