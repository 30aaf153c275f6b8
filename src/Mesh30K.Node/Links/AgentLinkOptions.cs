namespace Mesh30K.Node.Links;

/// <summary>The bounds of the WebSocket link. Immutable.</summary>
public sealed record AgentLinkOptions
{
    /// <summary>Files that the process keeps for everything that is no agent: journals, HTTP, the runtime.</summary>
    public const int FilesReserved = 512;

    /// <summary>
    /// WebSockets at once, at least 1. Default 12,000; lowered to the process's limit of open files less <see cref="FilesReserved"/>. The next agent is refused with 503 <c>connection_limit</c>. An idle one costs some
    /// 20 KB.
    /// </summary>
    public int AgentsMax { get; init; } = 12_000;

    /// <summary>Connections that have not proven who they are, at least 1. Default 1,024; the next is refused with 503 <c>busy</c>. A larger value lets strangers cost more at once.</summary>
    public int HandshakesMax { get; init; } = 1_024;

    /// <summary>How long each step of the handshake may take. Default 10 s.</summary>
    public TimeSpan HandshakeWithin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often agents are asked for a heartbeat. Default 5 s (M 8.1). Shorter costs a signature check each.</summary>
    public TimeSpan HeartbeatEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A connection without a frame for so long is closed: 3 heartbeats.</summary>
    public TimeSpan IdleAfter => 3 * HeartbeatEvery;

    /// <summary>Deliveries held for one agent, waiting and unanswered, 1 to 65,536. Default 256; policy <c>evict-lowest</c> (<see cref="Outbox"/>).</summary>
    public int OutboxMax { get; init; } = 256;

    /// <summary>Control messages that wait for one connection, at least 8. Default 64; past it the connection is closed (policy <c>close-slow</c>): an agent must not miss a FREEZE.</summary>
    public int ControlsMax { get; init; } = 64;

    /// <summary>How long one frame may take to leave; then the connection is aborted. Default 15 s.</summary>
    public TimeSpan SendWithin { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long an agent has to close its side after the mesh closed its own. Default 3 s.</summary>
    public TimeSpan CloseWithin { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long a frame is valid. Default 30 s; at most 5 minutes.</summary>
    public TimeSpan FrameLife { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Messages a second that one agent may send, sustained, above 0. Default 200; past it and <see cref="MessagesBurst"/> the agent is refused with <c>too_fast</c>.</summary>
    public double MessagesPerSecond { get; init; } = 200;

    /// <summary>Messages that one agent may send at once after a pause, at least 1. Default 1,000.</summary>
    public int MessagesBurst { get; init; } = 1_000;

    /// <summary>Messages in one frame to an agent, 1 to 256. Default 32. Larger frames let one agent hold a sender longer.</summary>
    public int MessagesPerFrame { get; init; } = 32;

    /// <summary>Threads that sign and send, 1 to 16. Default 1, with more than 4 processors 2: each signature covers up to 256 agents, so signing is the smaller part.</summary>
    public int Senders { get; init; } = Environment.ProcessorCount > 4 ? 2 : 1;

    /// <summary>How often idle, slow and half-open connections are looked for. Default 250 ms.</summary>
    public TimeSpan SweepEvery { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(AgentsMax, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(HandshakesMax, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(HeartbeatEvery, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(OutboxMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(OutboxMax, 65_536);
        ArgumentOutOfRangeException.ThrowIfLessThan(ControlsMax, 8);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FrameLife, TimeSpan.FromMinutes(5));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MessagesPerSecond);
        ArgumentOutOfRangeException.ThrowIfLessThan(MessagesBurst, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MessagesPerFrame, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MessagesPerFrame, Protocol.Signing.FrameBatch.MessagesMax);
        ArgumentOutOfRangeException.ThrowIfLessThan(Senders, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Senders, 16);
    }
}
