using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Causal;

/// <summary>What a channel asks of its host while it steps.</summary>
public interface IChannelEffects
{
    /// <summary>
    /// A record for the journal, valid during the call. The host makes it durable before it lets the reply of the step out, and keeps the
    /// order of these calls.
    /// </summary>
    void Persist(byte kind, ReadOnlySpan<byte> record);
}

/// <summary>
/// A channel of tasks: a write-ahead log's state machine. An entry becomes ready when everything that it depends on is done. Sans-IO:
/// <see cref="Step"/> decides and changes the state, the host persists. Not thread-safe: the host's lock or process owns it.
/// </summary>
public sealed class Channel
{
    public Channel(ChannelOptions? options = null) => throw new InvalidOperationException("contract only");

    /// <summary>Every entry that is still known, ascending.</summary>
    public IEnumerable<ChannelEntry> Entries => throw new InvalidOperationException("contract only");

    /// <summary>How many entries are in each state.</summary>
    public ChannelCounts Counts => throw new InvalidOperationException("contract only");

    /// <summary>The earliest moment at which <see cref="Step"/> would find an expired lease or a retry that is due; null when there is none.</summary>
    public Instant? NextDue => throw new InvalidOperationException("contract only");

    public ChannelEntry? Find(Dot id) => throw new InvalidOperationException("contract only");

    /// <summary>Does one command. A refusal is a reply, changes nothing and persists nothing.</summary>
    public ChannelReply Step(ChannelCommand command, Instant now, IChannelEffects effects) => throw new InvalidOperationException("contract only");

    /// <summary>Applies a record that <see cref="Step"/> once persisted, or one of a snapshot.</summary>
    public void Apply(byte kind, ReadOnlySpan<byte> record) => throw new InvalidOperationException("contract only");

    /// <summary>Forgets everything, to be built anew.</summary>
    public void Reset() => throw new InvalidOperationException("contract only");

    /// <summary>The whole state as records for <see cref="Apply"/>; ended entries that nothing waits for are reduced to their numbers.</summary>
    public IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> Snapshot() => throw new InvalidOperationException("contract only");
}
