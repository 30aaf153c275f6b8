using Mesh30K.Consistency.Journal;

namespace Mesh30K.Node.Storage;

/// <summary>
/// What a disk holds of a file, and which blocks of it only the page cache has; the cache is the file itself. As ext4 keeps it: a write makes whole blocks
/// dirty, a sync writes the dirty ones, a sync that fails leaves them clean and readable though the disk may lack them, and the length is written for itself. One owner.
/// </summary>
internal sealed class FaultyFile
{
    /// <summary>The smallest block of an ext4: two sectors, so that power can fail within one.</summary>
    internal const int BlockBytes = 1024;

    /// <summary>Where writes began that made the records longer and were not cut off since, ascending; and where they end.</summary>
    private readonly List<long> _appends = [];
    private readonly SortedSet<long> _dirty = [];

    /// <summary>What its sectors hold, also of those that no length on the disk reaches yet.</summary>
    private byte[] _disk = [];
    private long _length;
    private long _end;

    /// <summary>The shortest that the file was since the disk got to know its length.</summary>
    private long _cut = long.MaxValue;

    /// <summary>A file whose bytes the disk has.</summary>
    internal static FaultyFile OnDisk(byte[] bytes) => new() { _disk = bytes, _length = bytes.Length, _end = ContentOf(bytes) };

    /// <summary>Up to where later writes follow that were made when the bytes were durable.</summary>
    internal long Proven => _appends.Count == 0 ? 0 : _appends[^1];

    internal void Written(long offset, long bytes)
    {
        if (bytes == 0) return;
        for (long block = offset / BlockBytes; block * BlockBytes < offset + bytes; block++) _dirty.Add(block);
        if (offset + bytes <= _end) return;
        _appends.Add(offset);
        _end = offset + bytes;
    }

    /// <summary>Blocks behind the end are forgotten; the one at the end is cleared behind it, which makes it dirty.</summary>
    internal void CutTo(long length)
    {
        _dirty.RemoveWhere(block => block * BlockBytes >= length);
        if (length % BlockBytes != 0) _dirty.Add(length / BlockBytes);
        _cut = Math.Min(_cut, length);
        ForgetAppends(length);
    }

    /// <summary>The disk took what was dirty, and the length.</summary>
    internal void Synced(byte[] cache)
    {
        ForgetCut();
        foreach (long block in _dirty) Take(cache, block * BlockBytes, BlockBytes);
        _dirty.Clear();
        _length = cache.Length;
        Reserve(_length);
    }

    /// <summary>The kernel wrote some of what was dirty by itself, as it does at any time.</summary>
    internal void WroteSome(byte[] cache, Random random)
    {
        foreach (long block in _dirty.Where(_ => random.Next(2) == 0).ToArray())
        {
            Take(cache, block * BlockBytes, BlockBytes);
            _dirty.Remove(block);
        }
    }

    /// <summary>The disk took some of what was dirty, or nothing, and the kernel takes all of it for written.</summary>
    internal void SyncFailed(byte[] cache, Random random)
    {
        if (random.Next(2) == 0) WroteSome(cache, random);
        _dirty.Clear();
    }

    /// <summary>
    /// What is there after the power failed: of the changes of length none or some, of the dirty sectors any. From then on the disk has just this.
    /// </summary>
    /// <param name="fault">Told of what was lost.</param>
    internal byte[] LosePower(byte[] cache, Random random, Action<string> fault)
    {
        long reach = cache.Length;
        if (random.Next(2) == 0)
        {
            ForgetCut();
            long shortest = Math.Min(Math.Min(_length, _cut), cache.Length);
            _length = random.Next(2) == 0 ? cache.Length : shortest + random.NextInt64(cache.Length - shortest + 1);
        }
        else
        {
            reach = Math.Min(reach, RoundUp(_cut));
        }
        if (_length != cache.Length) fault(_length < cache.Length ? "unsynced_torn" : "unsynced_cut_lost");
        foreach (long block in _dirty)
        {
            for (long at = block * BlockBytes; at < Math.Min((block + 1) * BlockBytes, reach); at += RecordFrame.SectorBytes)
            {
                if (random.Next(3) != 0) Take(cache, at, RecordFrame.SectorBytes);
                else fault("unsynced_sector_lost");
            }
        }
        Reserve(_length);
        byte[] left = _disk[..(int)_length];
        _dirty.Clear();
        (_disk, _cut) = (left, long.MaxValue);
        ForgetAppends(ContentOf(left));
        return [.. left];
    }

    /// <summary>The disk knows of the cut: what lay behind it is gone, but for the rest of its block.</summary>
    private void ForgetCut()
    {
        if (_cut == long.MaxValue) return;
        long from = RoundUp(_cut);
        if (from < _disk.Length) _disk.AsSpan((int)from).Clear();
        _length = Math.Min(_length, _cut);
        _cut = long.MaxValue;
    }

    private void ForgetAppends(long length)
    {
        _appends.RemoveAll(at => at >= length);
        _end = Math.Min(_end, length);
    }

    /// <summary>What the cache has there; zeros behind its end.</summary>
    private void Take(byte[] cache, long offset, int bytes)
    {
        Reserve(offset + bytes);
        Span<byte> to = _disk.AsSpan((int)offset, bytes);
        to.Clear();
        if (offset < cache.Length) cache.AsSpan((int)offset, (int)Math.Min(bytes, cache.Length - offset)).CopyTo(to);
    }

    private void Reserve(long bytes)
    {
        if (_disk.Length < bytes) Array.Resize(ref _disk, (int)RoundUp(bytes));
    }

    /// <summary>Up to the last byte that is not zero.</summary>
    private static long ContentOf(byte[] bytes) => bytes.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;

    private static long RoundUp(long bytes) => bytes > long.MaxValue - BlockBytes ? bytes : (bytes + BlockBytes - 1) / BlockBytes * BlockBytes;
}
