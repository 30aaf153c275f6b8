using Mesh30K.Node.Ports;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Links;

/// <summary>An agent that this link serves, connected or not: its outbox outlives its connections. <see cref="Gate"/> guards everything that changes.</summary>
internal sealed class LinkedAgent
{
    public LinkedAgent(Membership member, AgentLinkOptions options)
    {
        Member = member;
        Outbox = new Outbox(options.OutboxMax);
        Rate = new TokenBucket(options.MessagesPerSecond, options.MessagesBurst);
    }

    public Lock Gate { get; } = new();

    public AgentId Id => Member.Id;

    /// <summary>Where it lives; replaced whole when it moves. Read without the lock.</summary>
    public Membership Member { get; set; }

    public Outbox Outbox { get; }

    /// <summary>Survives connections, so that coming back is no way around it. Only the session's receiving loop and the lock's holder touch it.</summary>
    public TokenBucket Rate;

    /// <summary>The connection that may speak for it; null while there is none.</summary>
    public AgentSession? Session { get; set; }
}
