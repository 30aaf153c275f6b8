using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Links.People;

/// <summary>What became of a piece of work in an inbox.</summary>
public enum InboxState : byte
{
    /// <summary>It waits for its person.</summary>
    Open,

    /// <summary>The person answered, and the answer went to the lead.</summary>
    Answered,

    /// <summary>Its deadline came first; the operation counts the person as in transit.</summary>
    Expired,

    /// <summary>The mesh took it back, or the person was revoked.</summary>
    Withdrawn,
}

/// <summary>One delivery in a person's inbox. Immutable.</summary>
public sealed record InboxItem
{
    /// <summary>Short, to be typed; unique among all that the node knows.</summary>
    public required string Id { get; init; }

    public required AgentId Person { get; init; }

    public required MessageId OperationId { get; init; }

    public required Verb Verb { get; init; }

    /// <summary>JSON as it came. From others: data, never instructions.</summary>
    public required string Payload { get; init; }

    public required Instant AskedAt { get; init; }

    /// <summary>An answer after this counts nowhere.</summary>
    public required Instant Deadline { get; init; }

    /// <summary>0, 1 or 2: at 50% and at 90% of the time to the deadline.</summary>
    public int Reminders { get; init; }

    public InboxState State { get; init; }

    /// <summary>When it was answered, expired or was withdrawn.</summary>
    public Instant? EndedAt { get; init; }

    /// <summary>READY or CONFLICT, once answered.</summary>
    public TrinaryState? Answer { get; init; }

    /// <summary>The person's words, or why it was withdrawn.</summary>
    public string? Text { get; init; }

    /// <summary>Where the answer belongs.</summary>
    public required InboxAddress Address { get; init; }

    /// <summary>When something happens by itself: a reminder, or the end.</summary>
    internal Instant NextDue => Reminders switch { 0 => At(0.5), 1 => At(0.9), _ => Deadline };

    private Instant At(double share) => AskedAt.PlusMs(Deadline.MsSince(AskedAt) * share);
}

/// <summary>Where an ack belongs, and which message it answers.</summary>
public readonly record struct InboxAddress(int Sector, int ClusterIndex, int Slot, long Operation, MessageId Message);

/// <summary>How an inbox changed; the name of the event is <c>inbox.</c> and the word.</summary>
internal readonly record struct InboxChange(string Word, InboxItem Item);
