using System.Buffers.Binary;
using System.Text;
using Mesh30K.Consistency.Documents;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Watch;

/// <summary>
/// The histories of the watched files, durable. The journal's lock is held until this is disposed: two watchers of one folder would take each other's
/// merges for foreign writes. Not thread-safe.
/// </summary>
internal sealed class WatchJournal : IJournalReader, IDisposable
{
    private const byte VersionKind = 1;
    private const int HeadBytes = 8 + 8 + 8 + 1 + 2;
    private const long CompactAboveBytes = 4L << 20;

    private readonly JournalFolder _journal;
    private readonly HistoryOptions _options;
    private readonly Dictionary<string, VersionHistory> _histories = new(StringComparer.Ordinal);

    /// <summary>Stale versions that were read and whose merge, the next record, was not: a crash can leave the first of the two alone. Then it does not count, and is judged again.</summary>
    private readonly Dictionary<string, SeenVersion> _unmerged = new(StringComparer.Ordinal);

    private WatchJournal(JournalFolder journal, HistoryOptions options)
    {
        _journal = journal;
        _options = options;
    }

    /// <summary>Opens the journal and reads it; null when another watcher has it.</summary>
    public static WatchJournal? TryOpen(string path, HistoryOptions options, TimeSpan atMost)
    {
        JournalFolder journal = JournalFolder.Open(path);
        try
        {
            if (!journal.TryLock(atMost))
            {
                journal.Dispose();
                return null;
            }
            WatchJournal opened = new(journal, options);
            journal.CatchUp(opened);
            return opened;
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>The history of a file; empty when it was never seen. A file whose type was another before starts anew.</summary>
    public VersionHistory HistoryOf(WatchTarget target)
    {
        string key = KeyOf(target.Type, target.Name);
        if (!_histories.TryGetValue(key, out VersionHistory? history)) _histories.Add(key, history = new VersionHistory(target.Type, _options));
        return history;
    }

    /// <summary>Adds versions to a history; durable when it returns. Of what a crash broke off, a stale version without its merge is not read again.</summary>
    public void Add(WatchTarget target, IReadOnlyList<SeenVersion> versions)
    {
        VersionHistory history = HistoryOf(target);
        foreach (SeenVersion version in versions)
        {
            _journal.Append(VersionKind, Encode(KeyOf(target.Type, target.Name), version));
            history.Add(version);
        }
        _journal.Commit();
        long kept = _histories.Values.Sum(h => h.Bytes);
        if (_journal.BytesSinceSnapshot > (2 * kept) + CompactAboveBytes) _journal.Compact(Snapshot());
    }

    public void Reset()
    {
        _histories.Clear();
        _unmerged.Clear();
    }

    public void Apply(in JournalRecord record)
    {
        if (record.Kind != VersionKind || record.Payload.Length < HeadBytes)
            throw new JournalException("damaged", $"record {record.Sequence} of the watch history is none; move the folder away to start a new history");
        ReadOnlySpan<byte> bytes = record.Payload.Span;
        int keyBytes = BinaryPrimitives.ReadUInt16LittleEndian(bytes[25..]);
        string key = Encoding.UTF8.GetString(bytes.Slice(HeadBytes, keyBytes));
        if (!_histories.TryGetValue(key, out VersionHistory? history)) _histories.Add(key, history = new VersionHistory(TypeOf(key), _options));
        SeenVersion version = new(
            BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
            bytes[(HeadBytes + keyBytes)..].ToArray(),
            new Instant(BinaryPrimitives.ReadInt64LittleEndian(bytes)),
            (VersionOrigin)bytes[24],
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]));
        if (_unmerged.Remove(key, out SeenVersion? stale) && version.Number == stale.Number + 1) history.Add(stale);
        if (version.Origin == VersionOrigin.Stale) _unmerged[key] = version;
        else history.Add(version);
    }

    public void Dispose() => _journal.Dispose();

    private IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> Snapshot() =>
        from file in _histories
        from version in file.Value.Versions
        select (VersionKind, (ReadOnlyMemory<byte>)Encode(file.Key, version));

    private static byte[] Encode(string key, SeenVersion version)
    {
        int keyBytes = Encoding.UTF8.GetByteCount(key);
        byte[] record = new byte[HeadBytes + keyBytes + version.Content.Length];
        BinaryPrimitives.WriteInt64LittleEndian(record, version.SeenAt.Ticks);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(8), version.Number);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(16), version.Base);
        record[24] = (byte)version.Origin;
        BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(25), checked((ushort)keyBytes));
        Encoding.UTF8.GetBytes(key, record.AsSpan(HeadBytes));
        version.Content.Span.CopyTo(record.AsSpan(HeadBytes + keyBytes));
        return record;
    }

    private static string KeyOf(DocumentType type, string name) => $"{type}:{name}";

    private static DocumentType TypeOf(string key) => Enum.Parse<DocumentType>(key.AsSpan(0, key.IndexOf(':', StringComparison.Ordinal)));
}
