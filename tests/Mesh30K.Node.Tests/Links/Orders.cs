using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Links;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Links;

/// <summary>Orders for tests of the links.</summary>
internal static class Orders
{
    public static readonly Instant Start = Instant.FromUnixMs(1_800_000_000_000);

    public static OperationOrder Of(long handle, string payload = "null", double ttlMs = 60_000, bool collect = false, Instant? at = null)
    {
        Instant now = at ?? Start;
        MessageId id = MessageId.From(now.Ticks / Instant.TicksPerMs, (UInt128)(ulong)handle);
        return new OperationOrder
        {
            Handle = handle,
            OperationId = id,
            Spec = new OperationSpec { Payload = payload, CollectAnswers = collect, Verb = Verb.Decide },
            Selector = Selector.Everyone,
            Payload = payload,
            Target = now.PlusMs(1_500.25),
            GatherUntil = now.PlusMs(2_000),
            ExpiresAt = now.PlusMs(ttlMs),
        };
    }

    public static OutboxItem Item(long handle, Priority priority = Priority.High, double ttlMs = 60_000, Instant? at = null, string payload = "null")
    {
        OperationOrder order = Of(handle, payload, ttlMs, at: at);
        return new OutboxItem(OrderMessage.Of(order), handle, 3, 4, 12.5, priority, order.ExpiresAt);
    }
}
