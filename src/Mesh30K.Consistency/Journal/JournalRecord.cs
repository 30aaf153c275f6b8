namespace Mesh30K.Consistency.Journal;

/// <summary>One record of a journal.</summary>
/// <param name="Sequence">
/// Its place, from 1, without gaps; never used again, also after compaction. Of a snapshot's records: the as-of, the sequence of the last record
/// that the snapshot stands for (0 for none), the same for all of them.
/// </param>
/// <param name="Kind">What the payload is; its meaning belongs to whoever keeps the journal.</param>
/// <param name="Payload">Valid during the call that hands it over.</param>
public readonly record struct JournalRecord(long Sequence, byte Kind, ReadOnlyMemory<byte> Payload);
