using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Links;

/// <summary>One delivery on its way to an agent: what to send and where its ack belongs.</summary>
/// <param name="Message">What to send.</param>
/// <param name="Operation">The order's handle.</param>
/// <param name="Cluster">Index of the cluster.</param>
/// <param name="Slot">The agent's slot.</param>
/// <param name="ExpiresAt">Not sent, and forgotten, after this.</param>
public sealed record OutboxItem(OrderMessage Message, long Operation, int Cluster, int Slot, double LeadMs, Priority Priority, Instant ExpiresAt);

/// <summary>
/// What the mesh has for one agent: deliveries that wait and deliveries that were sent and not answered. At least once: what was sent is kept until its final ack or its time to live ends, and waits again
/// after a broken connection (<see cref="Reconnected"/>), before everything newer of its priority and in its first order. Highest priority first, first come first within. Bounded: a full one evicts the newest of the lowest priority
/// (policy <c>evict-lowest</c>), or refuses what is newest and lowest itself. Pure: time comes in. Not thread-safe: its link guards it.
/// </summary>
public sealed class Outbox
{
    public Outbox(int itemsMax) => throw new NotSupportedException("contract");

    public int Waiting => throw new NotSupportedException("contract");

    public int Unanswered => throw new NotSupportedException("contract");

    /// <summary>Adds a delivery. A second one with the same message id is ignored. False when it, or another for it, had to go.</summary>
    public bool Add(OutboxItem item, Instant now) => throw new NotSupportedException("contract");

    /// <summary>The next to send, marked as sent; null when none waits. Those whose time is over are dropped here and counted in <see cref="Expired"/>.</summary>
    public OutboxItem? Take(Instant now) => throw new NotSupportedException("contract");

    /// <summary>
    /// The agent answered: READY and CONFLICT end the delivery, TRANSIT only says that it came. Returns where the ack belongs; null when there is no such delivery (answered already, expired, never sent).
    /// </summary>
    public OutboxItem? Answered(MessageId id, TrinaryState state) => throw new NotSupportedException("contract");

    /// <summary>Takes a delivery back. True when it had been sent: then the agent is to be told by CANCEL.</summary>
    public bool Cancel(MessageId id) => throw new NotSupportedException("contract");

    /// <summary>A new connection: what was sent and not answered waits again. Returns how many, without those whose time is over.</summary>
    public int Reconnected(Instant now) => throw new NotSupportedException("contract");

    public long Expired => throw new NotSupportedException("contract");

    public long Evicted => throw new NotSupportedException("contract");
}
