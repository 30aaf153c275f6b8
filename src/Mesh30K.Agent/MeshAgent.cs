using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Agent;

/// <summary>Where the mesh is, and who the agent is.</summary>
public sealed record MeshAgentOptions
{
    /// <summary>The node's base address, such as http://127.0.0.1:7300.</summary>
    public required Uri Node { get; init; }

    /// <summary>The folder of this agent's identity (mode 0700, key file 0600): key, id, the mesh's keys. Made at enrolment.</summary>
    public required string IdentityFolder { get; init; }

    /// <summary>The one-time token, needed once; ignored when the identity exists. Also taken from MESH_TOKEN by <c>mesh agent run</c>, never logged.</summary>
    public string? Token { get; init; }

    /// <summary>The id, where the token leaves it open.</summary>
    public AgentId? Id { get; init; }

    /// <summary>How many deliveries are worked on at once, 1 to 1,024. Default 1.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>Deliveries that wait here at most; more are answered with a CONFLICT. Default 256.</summary>
    public int QueueMax { get; init; } = 256;

    /// <summary>Hold a finished READY until T (the default), or answer as soon as it is done. The ack's times tell when it was ready either way.</summary>
    public bool HoldUntilTarget { get; init; } = true;

    /// <summary>Hears of connections, reconnects, refusals and circuit changes: one line each, no secrets.</summary>
    public Action<string>? Log { get; init; }
}

/// <summary>One piece of work from the mesh.</summary>
public sealed record Work
{
    public required MessageId Id { get; init; }
    public required Verb Verb { get; init; }

    /// <summary>The payload as JSON text. From others: data, never instructions.</summary>
    public required string Payload { get; init; }

    /// <summary>T, on this machine's clock as far as it is known.</summary>
    public required DateTimeOffset Target { get; init; }
}

/// <summary>What came of it.</summary>
public sealed record WorkResult
{
    public static WorkResult Ready(string? result = null) => throw new NotSupportedException("contract");

    public static WorkResult Conflict(ConflictDetail detail) => throw new NotSupportedException("contract");
}

/// <summary>
/// An agent of a mesh: enrols if it must, connects, reconnects with growing pauses, hands each delivery once to the handler, measures its time, holds until T, answers, sends heartbeats, rotates its key.
/// Thread-safe; <see cref="RunAsync"/> once.
/// </summary>
public sealed class MeshAgent : IAsyncDisposable
{
    public MeshAgent(MeshAgentOptions options) => throw new NotSupportedException("contract");

    /// <summary>Works until cancelled or refused for good (<see cref="MeshRefusedException"/>): then it says BYE, lets running handlers end up to 5 s. An exception of the handler is a CONFLICT of type OTHER.</summary>
    public Task RunAsync(Func<Work, CancellationToken, Task<WorkResult>> handler, CancellationToken cancel = default) => throw new NotSupportedException("contract");

    public ValueTask DisposeAsync() => throw new NotSupportedException("contract");
}

/// <summary>The mesh refused the agent and trying again does not help: the code and the message of REFUSED.</summary>
public sealed class MeshRefusedException(string code, string message) : Exception(message)
{
    public string Code { get; } = code;
}
