using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Verify;

/// <summary>
/// Damages files of a closed journal as disks do, and brings them back. What was allocated behind the records and not used yet is left alone: it holds nothing
/// that could be lost. One owner.
/// </summary>
internal sealed class JournalDamage(Random random, string folder, FaultyDisk disk, Action<string> fault)
{
    private const string SegmentFiles = "*.segment";
    private const string ManifestFile = "manifest";
    private const int HeaderBytes = 64;

    private Dictionary<string, byte[]> _before = [];
    private Dictionary<string, byte[]> _after = [];
    private byte[]? _oldManifest;

    /// <summary>Whether the last damage changed what holds records. An older manifest may be as good as the last.</summary>
    public bool HasToBeRefused { get; private set; }

    /// <summary>Does one damage; says what, or null when there was nothing to damage.</summary>
    public string? TryStrike()
    {
        _before = Files();
        string[] segments = [.. _before.Keys.Where(p => p.EndsWith(SegmentFiles[1..], StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        string manifest = Path.Combine(folder, ManifestFile);
        string victim = random.Next(5) == 0 ? manifest : segments[random.Next(segments.Length)];
        byte[] bytes = Content(_before[victim]);
        HasToBeRefused = true;
        string? done = random.Next(5) switch
        {
            0 => Flip(bytes),
            1 => Misdirect(bytes, Content(_before[segments[random.Next(segments.Length)]])),
            2 when victim != manifest => Lose(victim, bytes, isLast: victim == segments[^1]),
            3 when _before.Values.Sum(b => Content(b).Length) > 2 * HeaderBytes + _before[manifest].Length => TakeAway(victim, segments),
            4 when _oldManifest is { } old && !old.AsSpan().SequenceEqual(_before[manifest]) => PutBack(victim = manifest, old),
            _ => Flip(bytes),
        };
        if (random.Next(3) == 0) _oldManifest = _before[manifest];
        if (done is null) return null;
        if (File.Exists(victim) && done.StartsWith("byte", StringComparison.Ordinal)) File.WriteAllBytes(victim, [.. bytes, .. _before[victim].AsSpan(bytes.Length)]);
        _after = Files();
        return $"{Path.GetFileName(victim)}: {done}";
    }

    /// <summary>Whether the files are as the damage left them.</summary>
    public bool IsAsStruck() => AreSame(Files(), _after);

    public void Heal()
    {
        foreach (string path in Files().Keys) File.Delete(path);
        foreach ((string path, byte[] bytes) in _before) File.WriteAllBytes(path, bytes);
    }

    private string Flip(byte[] bytes)
    {
        int at = random.Next(bytes.Length);
        bytes[at] ^= (byte)(1 << random.Next(8));
        fault("bit_flipped");
        return $"byte {at} of {bytes.Length} flipped";
    }

    /// <summary>A write that belonged elsewhere.</summary>
    private string? Misdirect(byte[] bytes, byte[] from)
    {
        int length = Math.Min(1 + random.Next(512), Math.Min(bytes.Length, from.Length));
        int to = random.Next(bytes.Length - length + 1);
        ReadOnlySpan<byte> written = from.AsSpan(random.Next(from.Length - length + 1), length);
        if (written.SequenceEqual(bytes.AsSpan(to, length))) return null;
        written.CopyTo(bytes.AsSpan(to));
        fault("write_misdirected");
        return $"bytes {to} to {to + length} of {bytes.Length} hold what belongs elsewhere";
    }

    /// <summary>A write that the disk said to have done. Only what came after it can prove that; so it is none of the last.</summary>
    private string? Lose(string path, byte[] bytes, bool isLast)
    {
        int proven = isLast ? (int)Math.Min(disk.ProvenBytes(path), bytes.Length) : bytes.Length;
        if (proven <= HeaderBytes) return null;
        int from = HeaderBytes + random.Next(proven - HeaderBytes);
        Span<byte> lost = bytes.AsSpan(from, Math.Min(proven - from, 1 + random.Next(600)));
        if (!lost.ContainsAnyExcept((byte)0)) return null;
        lost.Clear();
        fault("write_lost");
        return $"bytes {from} to {from + lost.Length} of {bytes.Length} were never written";
    }

    private string? TakeAway(string victim, string[] segments)
    {
        // Without records, a journal without its manifest is one that was never made.
        if (Array.TrueForAll(segments, s => Content(_before[s]).Length <= HeaderBytes)) return null;
        File.Delete(victim);
        fault("file_missing");
        return "is missing";
    }

    private string PutBack(string manifest, byte[] old)
    {
        File.WriteAllBytes(manifest, old);
        fault("manifest_of_before");
        HasToBeRefused = false;
        return "is an older one";
    }

    /// <summary>Up to the last byte that is not zero: records end in none, and neither do the checksums of headers and manifests, but by chance.</summary>
    private static byte[] Content(byte[] bytes) => bytes[..(bytes.AsSpan().LastIndexOfAnyExcept((byte)0) + 1)];

    private Dictionary<string, byte[]> Files() => Directory.EnumerateFiles(folder)
        .Where(p => Path.GetFileName(p) != "lock")
        .ToDictionary(p => p, File.ReadAllBytes, StringComparer.Ordinal);

    private static bool AreSame(Dictionary<string, byte[]> a, Dictionary<string, byte[]> b) =>
        a.Count == b.Count && a.All(f => b.TryGetValue(f.Key, out byte[]? other) && other.AsSpan().SequenceEqual(f.Value));
}
