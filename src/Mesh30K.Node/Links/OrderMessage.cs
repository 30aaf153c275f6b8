using Mesh30K.Coordination.Cascades;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Links;

/// <summary>
/// The COORDINATE of one order, encoded once and shared by all agents that get it; only the agent's own compensation differs. Immutable, thread-safe.
/// Payloads with line breaks between their tokens are written anew without them, before the hash is taken.
/// </summary>
public sealed class OrderMessage
{
    private OrderMessage(MessageId id) => Id = id;

    /// <summary>The message of an order; the same object for the same order while somebody holds it.</summary>
    public static OrderMessage Of(OperationOrder order) => throw new NotSupportedException("contract");

    /// <summary>The message's id: differs for each phase of an operation.</summary>
    public MessageId Id { get; }

    /// <summary>Bytes of an agent's copy, roughly: what a queue that holds it accounts for.</summary>
    public int BytesAbout => throw new NotSupportedException("contract");

    /// <summary>Writes the message for one agent, UTF-8 without line feeds.</summary>
    public void WriteTo(System.Buffers.IBufferWriter<byte> output, AgentId agent, double leadMs) => throw new NotSupportedException("contract");
}
