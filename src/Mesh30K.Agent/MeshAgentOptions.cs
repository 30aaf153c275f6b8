using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Agent;

/// <summary>Where the mesh is, and who the agent is. Immutable.</summary>
public sealed record MeshAgentOptions
{
    /// <summary>The node's base address, such as http://127.0.0.1:7300; another machine's has to be https, as the token goes there.</summary>
    public required Uri Node { get; init; }

    /// <summary>
    /// The folder of this agent's identity (mode 0700, key files 0600): key, id, the mesh's keys. Made at enrolment; one process at a time may use it. Who can read it can be this agent.
    /// </summary>
    public required string IdentityFolder { get; init; }

    /// <summary>The token of <c>mesh agent enrol</c>, needed once; ignored when the identity exists. Never logged, never kept.</summary>
    public string? Token { get; init; }

    /// <summary>The agent's id. Needed to enrol; later it may be left out, and is refused when the folder holds another.</summary>
    public AgentId? Id { get; init; }

    /// <summary>How many deliveries are worked on at once, 1 to 1,024. Default 1.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>Deliveries that wait here at most, 1 to 65,536; more are answered with a CONFLICT (policy <c>refuse-newest</c>). Default 256.</summary>
    public int QueueMax { get; init; } = 256;

    /// <summary>Hold a finished READY until T (the default), or answer as soon as it is done. The ack's times tell when it was ready either way.</summary>
    public bool HoldUntilTarget { get; init; } = true;

    /// <summary>How long running handlers may take to end, and finished work is held for its T, when the agent is stopped. Default 5 s.</summary>
    public TimeSpan StopWithin { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Hears of connections, reconnects, refusals and circuit changes: one line each, no secrets. Called from any thread, so it must not block.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Hears of circuit breakers that opened or closed. Called from the thread that reads; it must not block.</summary>
    public Action<CircuitBreakerMessage>? Circuit { get; init; }

    /// <summary>Never shows the token.</summary>
    public override string ToString() => $"MeshAgentOptions({Node}, {Id?.Value ?? "id of the folder"}, {IdentityFolder})";

    internal void Validate()
    {
        if (!Node.IsAbsoluteUri || Node.Scheme is not ("http" or "https")) throw new ArgumentException("Node must be an address such as http://127.0.0.1:7300", nameof(Node));
        if (Node is { Scheme: "http", IsLoopback: false }) throw new ArgumentException($"Node {Node} is another machine: use https, or a tunnel to 127.0.0.1", nameof(Node));
        ArgumentException.ThrowIfNullOrWhiteSpace(IdentityFolder);
        if (Id is { } id && !AgentId.IsValid(id.Value)) throw new ArgumentException("Id must be 1 to 128 characters of A-Z a-z 0-9 . _ : -", nameof(Id));
        ArgumentOutOfRangeException.ThrowIfLessThan(Concurrency, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Concurrency, 1_024);
        ArgumentOutOfRangeException.ThrowIfLessThan(QueueMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(QueueMax, 65_536);
        ArgumentOutOfRangeException.ThrowIfLessThan(StopWithin, TimeSpan.Zero);
    }
}
