namespace Mesh30K.Agent.Effects;

/// <summary>How <see cref="MeshEffects"/> reaches its node. Immutable.</summary>
public sealed record MeshEffectsOptions
{
    internal const string PrincipalOfOperators = "default";

    /// <summary>The node's base address; another machine's has to be https, as a key or signatures go there.</summary>
    public required Uri Node { get; init; }

    /// <summary>The agent that signs: then the effects are its own, and it may use no others. It has to run (<see cref="MeshAgent.RunAsync"/>). Null for an operator. Default null.</summary>
    public MeshAgent? Agent { get; init; }

    /// <summary>
    /// The node's operator key, the content of its <c>operator.key</c>; null for an agent. Never logged, never kept elsewhere. Whoever has it may do all that an operator may. Default null; one of the two is needed.
    /// </summary>
    public string? OperatorKey { get; init; }

    /// <summary>In whose name effects are done: the same key of two principals is two effects. Default <c>default</c>, as for <c>mesh effect</c>. An agent's are its own (<c>agent:ID</c>); it names none here.</summary>
    public string? Principal { get; init; }

    /// <summary>When nothing was heard of the caller for so long it counts as crashed; renewed at a third of it. Default 60 s, at least 1 s. Longer leaves a crash unnoticed for longer.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long results are kept and replayed. Default 24 h, at most the ledger's bound (30 days).</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long to try to reach the node, for the start and again for the report. Default 30 s.</summary>
    public TimeSpan NodeWithin { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long to wait while another one executes the same effect. Default 10 min.</summary>
    public TimeSpan WaitForOther { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a start that was cancelled is tried to be given back before the caller hears of it. Tests give it more.</summary>
    internal TimeSpan GiveBackWithin { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Never shows the key.</summary>
    public override string ToString() => $"MeshEffectsOptions({Node}, {(Agent is null ? Principal ?? PrincipalOfOperators : "of an agent")})";

    internal void Validate()
    {
        if (!Node.IsAbsoluteUri || Node.Scheme is not ("http" or "https")) throw new ArgumentException("Node must be an address such as http://127.0.0.1:7300", nameof(Node));
        if (Node is { Scheme: "http", IsLoopback: false }) throw new ArgumentException($"Node {Node} is another machine: use https, or a tunnel to 127.0.0.1", nameof(Node));
        if (Agent is null) ArgumentException.ThrowIfNullOrWhiteSpace(OperatorKey);
        else if (OperatorKey is not null) throw new ArgumentException("give the operator's key or an agent, not both", nameof(OperatorKey));
        else if (Principal is not null) throw new ArgumentException("an agent's effects are its own: name no principal", nameof(Principal));
        if (Principal is not null) ArgumentException.ThrowIfNullOrWhiteSpace(Principal);
        ArgumentOutOfRangeException.ThrowIfLessThan(Lease, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(NodeWithin, TimeSpan.Zero);
    }
}

/// <summary>What an effect gets while it is executed.</summary>
/// <param name="Key">The idempotency key: give it to the receiver if that honours keys.</param>
/// <param name="Epoch">Grows with each start: a receiver that remembers the highest can refuse a stale executor.</param>
public sealed record EffectExecution(string Key, long Epoch);

/// <summary>What came of an effect that took place.</summary>
/// <param name="Output">As it was recorded: of this execution or of the one before.</param>
/// <param name="IsReplay">Whether it had run before.</param>
public sealed record EffectRecord(ReadOnlyMemory<byte> Output, bool IsReplay);

/// <summary>Why an effect has no result.</summary>
public enum EffectProblem
{
    /// <summary>It did not take place and is not tried again: the recorded reason is the message.</summary>
    Failed,

    /// <summary>It surely did not take place; call again with the same key.</summary>
    NotRun,

    /// <summary>It may have taken place. It does not run again until a person has decided: <c>mesh effect resolve</c>.</summary>
    InDoubt,

    /// <summary>It may have taken place, and its receiver honours the key: call again with the same key.</summary>
    RunAgain,

    /// <summary>A person gave it up.</summary>
    Abandoned,

    /// <summary>Another one executes it, and did so for as long as was to be waited.</summary>
    Held,

    /// <summary>The node refused: another request under this key, a bound, a wrong field, the wrong operator key or an agent's signature that does not count. Nothing ran.</summary>
    Refused,

    /// <summary>The node was not to be reached. Nothing ran.</summary>
    Unavailable,

    /// <summary>It was executed, and the node does not have that.</summary>
    Unrecorded,
}

/// <summary>An effect that has no result; <see cref="Problem"/> says what that means.</summary>
public sealed class MeshEffectException(EffectProblem problem, string message, Exception? inner = null) : Exception(message, inner)
{
    public EffectProblem Problem { get; } = problem;
}

/// <summary>Thrown by an effect that knows that it did not take place. Any other exception means that it may have.</summary>
/// <param name="reason">Recorded and replayed, at most 64 KiB, when it is final.</param>
/// <param name="isFinal">Whether it is not to be tried again under this key.</param>
public sealed class EffectDidNotRunException(string reason, bool isFinal = false) : Exception(reason)
{
    public bool IsFinal { get; } = isFinal;
}
