namespace Mesh30K.Node.Links;

/// <summary>The WebSocket link in figures, since the node started.</summary>
/// <param name="AgentsConnected">Agents with a connection that has proven itself.</param>
/// <param name="AgentsKnown">Agents that joined over this link and have not left.</param>
/// <param name="Connections">Sockets now, handshakes among them.</param>
/// <param name="ConnectionsMax">Past this the next is refused with <c>connection_limit</c>.</param>
/// <param name="Handshakes">Connections that have not proven who they are.</param>
/// <param name="Waiting">Deliveries in the outboxes that are to be sent.</param>
/// <param name="Unanswered">Deliveries that were sent and not answered.</param>
/// <param name="FramesIn">Frames that were accepted.</param>
/// <param name="Signatures">Signatures made: one for up to 256 frames.</param>
/// <param name="SessionsReplaced">Connections that a newer one of the same agent ended.</param>
/// <param name="Redelivered">Deliveries that went again after a broken connection.</param>
/// <param name="Expired">Deliveries whose time to live ended in an outbox.</param>
/// <param name="Evicted">Deliveries that a full outbox did not keep.</param>
/// <param name="UnknownAcks">Acks for nothing that was sent, or twice, or too late.</param>
/// <param name="LostAcks">Acks that a full mailbox did not take.</param>
/// <param name="Undeliverable">Deliveries for agents that had left, or too large for a frame.</param>
/// <param name="SlowClosed">Connections that were cut because they did not read.</param>
/// <param name="Refusals">Connections refused or ended, by the wire's code.</param>
public sealed record LinksView(
    int AgentsConnected, int AgentsKnown, int Connections, int ConnectionsMax, int Handshakes, int Waiting, int Unanswered, long FramesIn, long MessagesIn, long FramesOut, long MessagesOut,
    long Signatures, long SessionsOpened, long SessionsReplaced, long Redelivered, long Expired, long Evicted, long UnknownAcks, long LostAcks, long Undeliverable, long SlowClosed,
    IReadOnlyDictionary<string, long> Refusals);
