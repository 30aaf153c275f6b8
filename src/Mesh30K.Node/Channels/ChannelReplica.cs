using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;

namespace Mesh30K.Node.Channels;

/// <summary>A channel as one process has it, built from the journal. Not thread-safe.</summary>
internal sealed class ChannelReplica(ChannelOptions options) : IJournalReader
{
    private long _bytes;

    public Channel Channel { get; } = new(options);

    public void Reset()
    {
        Channel.Reset();
        _bytes = 0;
    }

    public void Apply(in JournalRecord record)
    {
        Channel.Apply(record.Kind, record.Payload.Span);
        _bytes += record.Payload.Length;
    }

    /// <summary>A record that this process itself added, and the channel has already.</summary>
    public void Added(int bytes) => _bytes += bytes;

    /// <summary>
    /// Whether the journal has grown enough since its snapshot: twice the snapshot's size, so that compaction costs a constant share of the
    /// writing, and at least <paramref name="least"/>.
    /// </summary>
    public bool IsCompactionDue(long sinceSnapshot, long least) => sinceSnapshot > least && sinceSnapshot > 2 * (_bytes - sinceSnapshot);

    /// <summary>Replaces the journal by the channel as it is.</summary>
    public void Compact(JournalFolder journal)
    {
        long bytes = 0;
        journal.Compact(Channel.Snapshot().Select(record =>
        {
            bytes += record.Payload.Length;
            return record;
        }));
        _bytes = bytes;
    }
}
