namespace Mesh30K.Node.Links.Webhook;

/// <summary>What the mesh may call, and how patiently. Immutable.</summary>
public sealed record WebhookOptions
{
    /// <summary>Addresses that may be called. Default none: then no webhook can be enrolled or called.</summary>
    public WebhookAllowList Allowed { get; init; } = WebhookAllowList.None;

    /// <summary>Calls at once over all agents, 1 to 4,096. Default 64. Each holds a connection. One agent has one call at a time.</summary>
    public int CallsMax { get; init; } = 64;

    /// <summary>How long one call may take, its answer read. Default 10 s; 10 ms to 5 minutes. Longer: a dead address holds its place among <see cref="CallsMax"/> longer.</summary>
    public TimeSpan CallWithin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often an agent without work is asked whether it lives. Default 10 s, at least 10 ms.</summary>
    public TimeSpan ProbeEvery { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The first pause before a call is made again; the next ones double, random in part. Default 200 ms.</summary>
    public TimeSpan RetryFirst { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest pause. Default 10 s. A delivery is tried until its time to live ends.</summary>
    public TimeSpan RetryMax { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Deliveries held for one agent. Default 256; policy <c>evict-lowest</c> (<see cref="Outbox"/>).</summary>
    public int OutboxMax { get; init; } = 256;

    /// <summary>Bytes of an answer. Default 256 KiB; a larger one is refused unread.</summary>
    public int AnswerBytesMax { get; init; } = 256 * 1024;

    /// <summary>How long a frame is valid; at least <see cref="CallWithin"/> makes sense. Default 30 s, at most 5 minutes.</summary>
    public TimeSpan FrameLife { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Throws when a value is out of its range.</summary>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(CallsMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(CallsMax, 4_096);
        ArgumentOutOfRangeException.ThrowIfLessThan(CallWithin, TimeSpan.FromMilliseconds(10));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(CallWithin, TimeSpan.FromMinutes(5));
        ArgumentOutOfRangeException.ThrowIfLessThan(ProbeEvery, TimeSpan.FromMilliseconds(10));
        ArgumentOutOfRangeException.ThrowIfLessThan(RetryFirst, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(RetryMax, RetryFirst);
        ArgumentOutOfRangeException.ThrowIfLessThan(OutboxMax, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(AnswerBytesMax, 1_024);
        ArgumentOutOfRangeException.ThrowIfLessThan(FrameLife, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FrameLife, TimeSpan.FromMinutes(5));
    }
}
