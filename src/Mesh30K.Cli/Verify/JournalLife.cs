using System.Buffers.Binary;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Verify;

/// <summary>What one seed's life of a journal did.</summary>
/// <param name="Violation">What did not hold; null when all did.</param>
/// <param name="HasEnded">Whether the journal took a record when all trouble was over.</param>
/// <param name="Faults">How often each kind of fault hit.</param>
/// <param name="Calls">Calls to the folder.</param>
/// <param name="Acknowledged">Records acknowledged.</param>
/// <param name="Refused">Damages that were refused.</param>
/// <param name="TraceHash">Of what was done and read: the same for the same seed.</param>
internal sealed record JournalLifeReport(string? Violation, bool HasEnded, IReadOnlyDictionary<string, long> Faults, long Calls, long Acknowledged, long Refused, ulong TraceHash);

/// <summary>
/// A random life of the production journal in a folder, under faults of its disk: appends in batches, compactions, restarts, kills, power failures, failing syncs
/// and writes, a full disk, damage of what was synced. What was acknowledged has to be there each time, in order; damage has to be refused. One owner.
/// </summary>
internal sealed class JournalLife
{
    private const int Steps = 50;
    private const int RecordKind = 1;
    private const int SnapshotKind = 2;
    private const int SegmentBytes = 1_500;

    /// <summary>A process does not preallocate, or some bytes, or up to the segment's end.</summary>
    private static readonly int[] Preallocations = [0, 300, SegmentBytes];

    private readonly Random _random;
    private readonly string _path;
    private readonly FaultyDisk _disk;
    private readonly JournalDamage _damage;
    private readonly SortedDictionary<string, long> _faults = new(StringComparer.Ordinal);
    private readonly List<byte[]> _maybe = [];
    private JournalFolder? _journal;
    private JournalDigest _known = new();
    private long _acknowledged;
    private long _refused;
    private ulong _trace;

    private JournalLife(long seed, string path)
    {
        _random = new Random(unchecked((int)(seed ^ (seed >> 32))));
        _path = path;
        _disk = new FaultyDisk(_random, Fault);
        _damage = new JournalDamage(_random, path, _disk, Fault);
    }

    /// <summary>Runs one seed in a folder of its own, which must be empty or missing.</summary>
    public static JournalLifeReport Run(long seed, string path)
    {
        JournalLife life = new(seed, path);
        string? violation = null;
        bool hasEnded = false;
        try
        {
            life.Open();
            for (int step = 0; step < Steps; step++) life.Step();
            hasEnded = life.End();
        }
        catch (BrokenJournalException broken)
        {
            violation = broken.Message;
        }
        finally
        {
            life._journal?.Dispose();
        }
        return new JournalLifeReport(violation, hasEnded || violation is not null, life._faults, life._disk.Calls, life._acknowledged, life._refused, life._trace);
    }

    private void Step()
    {
        int what = _random.Next(100);
        if (_random.Next(3) == 0) _disk.Arm((DiskTrouble)(1 + _random.Next(5)), _random.Next(8));
        if (what < 70) Trying(Append);
        else if (what < 80) Trying(Compact);
        else if (what < 86) Reopen();
        else if (what < 91) LosePower();
        else DamageAll();
        Note(_known.Count);
    }

    private void Fault(string kind)
    {
        _faults[kind] = _faults.GetValueOrDefault(kind) + 1;
        foreach (char c in kind) Note(c);
    }

    private void Note(long what) => _trace = (_trace ^ (ulong)what) * 0x9E3779B97F4A7C15 + 1;

    /// <summary>A failed call ends the handle; another process opens the folder.</summary>
    private void Trying(Action<JournalFolder> action)
    {
        try
        {
            action(_journal!);
        }
        catch (JournalException failed)
        {
            if (failed.Code is "damaged" or "not_a_journal") throw new BrokenJournalException($"a sound journal is refused: {failed.Message}");
            if (TakesMore()) throw new BrokenJournalException($"the handle takes records after it failed: {failed.Message}");
            Reopen();
        }
    }

    private bool TakesMore()
    {
        try
        {
            _journal!.Append(RecordKind, "more"u8);
            return true;
        }
        catch (JournalException)
        {
            return false;
        }
    }

    private void Append(JournalFolder journal)
    {
        _maybe.Clear();
        for (int records = 1 + _random.Next(5); records > 0; records--)
        {
            byte[] payload = new byte[1 + _random.Next(300)];
            _random.NextBytes(payload);
            foreach (ref byte b in payload.AsSpan()) b |= 1; // no sector of it is zero by content
            _maybe.Add(payload);
        }
        foreach (byte[] payload in _maybe) journal.Append(RecordKind, payload);
        journal.Commit();
        _acknowledged += _maybe.Count;
        foreach (byte[] payload in _maybe) _known = _known.With(payload);
        _maybe.Clear();
    }

    private void Compact(JournalFolder journal) => journal.Compact([((byte)SnapshotKind, _known.ToBytes()), ((byte)SnapshotKind, _known.ToBytes())]);

    private void LosePower()
    {
        _disk.FailPower();
        Reopen();
    }

    /// <summary>Another process opens the folder; one that fails by trouble of the disk gives way to the next, and after it the power may fail.</summary>
    private void Reopen()
    {
        const int TriesMax = 5;
        for (int tries = 1; ; tries++)
        {
            _journal?.Dispose();
            _disk.Restart();
            if (tries < TriesMax && _random.Next(2) == 0) _disk.Arm(_random.Next(2) == 0 ? DiskTrouble.SyncFails : (DiskTrouble)(1 + _random.Next(5)), _random.Next(4));
            try
            {
                Open();
                if (tries == 1 || tries >= TriesMax || _random.Next(2) == 0) return;
                _disk.FailPower(); // what this process has read, others before it may have failed to sync
            }
            catch (JournalException failed) when (failed.Code is not ("damaged" or "not_a_journal") && tries < TriesMax)
            {
                Note(tries); // the trouble struck while it was opened
            }
            catch (JournalException failed)
            {
                throw new BrokenJournalException($"a sound journal is refused: {failed.Message}");
            }
        }
    }

    /// <summary>What is read is what was acknowledged, and of the batch of unknown outcome after it a beginning.</summary>
    private void Open()
    {
        JournalOptions options = new() { SegmentBytes = SegmentBytes, PreallocateBytes = Preallocations[_random.Next(Preallocations.Length)] };
        _journal = JournalFolder.Open(_path, options, _disk);
        if (!_journal.TryLock(TimeSpan.FromSeconds(30))) throw new BrokenJournalException("the folder's lock is held by nobody that lives");
        DigestReader reader = new();
        _journal.CatchUp(reader);
        JournalDigest possible = _known;
        int more = 0;
        while (possible != reader.Digest && more < _maybe.Count) possible = possible.With(_maybe[more++]);
        if (possible != reader.Digest)
            throw new BrokenJournalException($"{_known.Count} records were acknowledged and {_maybe.Count} more may be there; read were {reader.Digest.Count}{(reader.Digest.Count < _known.Count ? "" : ", and others")}");
        if (_journal.LastSequence != possible.Count) throw new BrokenJournalException($"the last of {possible.Count} records has the sequence {_journal.LastSequence}");
        _known = possible;
        _maybe.Clear();
        Note(more);
    }

    /// <summary>Damages what was synced. The journal has to refuse it and to leave all as it is; a backup then heals it.</summary>
    private void DamageAll()
    {
        Reopen();
        _journal!.Dispose();
        _disk.Restart();
        if (_damage.TryStrike() is not { } done)
        {
            Reopen();
            return;
        }
        try
        {
            Open(); // checks that nothing is lost
            if (_damage.HasToBeRefused) throw new BrokenJournalException($"damage is not noticed: {done}");
            Note(0);
        }
        catch (JournalException refused) when (refused.Code == "damaged")
        {
            _refused++;
            if (!_damage.IsAsStruck()) throw new BrokenJournalException($"a refused journal was changed: {done}");
        }
        catch (JournalException other)
        {
            throw new BrokenJournalException($"damage ({done}) is taken for something else: {other.Message}");
        }
        _journal!.Dispose();
        _damage.Heal();
        Reopen();
    }

    /// <summary>All trouble is over: the journal takes a record, and it is there.</summary>
    private bool End()
    {
        Reopen();
        _disk.Arm(DiskTrouble.None, 0);
        try
        {
            Append(_journal!);
            Reopen();
            return true;
        }
        catch (JournalException)
        {
            return false;
        }
    }

    /// <summary>Builds a digest from records.</summary>
    private sealed class DigestReader : IJournalReader
    {
        public JournalDigest Digest { get; private set; }

        public void Reset() => Digest = default;

        public void Apply(in JournalRecord record) => Digest = record.Kind == SnapshotKind ? JournalDigest.Of(record.Payload.Span) : Digest.With(record.Payload.Span);
    }
}

/// <summary>How many records there were, and which, in order.</summary>
internal readonly record struct JournalDigest(long Count, ulong Chain)
{
    public JournalDigest With(ReadOnlySpan<byte> payload) => new(Count + 1, (Chain ^ Crc32C.Of(payload) ^ ((ulong)payload.Length << 32)) * 0x9E3779B97F4A7C15 + 1);

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, Count);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), Chain);
        return bytes;
    }

    public static JournalDigest Of(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));
}

/// <summary>The journal broke a promise.</summary>
internal sealed class BrokenJournalException(string message) : Exception(message);
