using System.Globalization;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Storage;

/// <summary>The files of a journal's folder: makes, names, replaces and clears them, in an order that a crash cannot hurt. Under the lock, but for reading.</summary>
internal sealed class JournalLayout(string folder, JournalFiles files)
{
    internal const string LockName = "lock";
    private const string ManifestName = "manifest";
    private const string NewManifestName = "manifest.new";
    private const string SegmentSuffix = ".segment";

    /// <summary>Makes the folder (mode 0700) when it is missing, and refuses one that holds other things and no journal.</summary>
    internal static void MakeFolder(string folder)
    {
        try
        {
            if (File.Exists(folder)) throw NotAJournal(folder, "it is a file");
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
            else Directory.CreateDirectory(folder, AtomicFile.OwnerOnly | UnixFileMode.UserExecute);
            if (File.Exists(Path.Combine(folder, ManifestName))) return;
            foreach (string name in Directory.EnumerateFileSystemEntries(folder).Select(e => Path.GetFileName(e)))
                if (name is not (LockName or ManifestName or NewManifestName) && !name.EndsWith(SegmentSuffix, StringComparison.Ordinal))
                    throw NotAJournal(folder, $"it holds {name} and no journal");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw JournalException.Of(error, folder, "opening");
        }
    }

    /// <summary>Null when there is none: no journal was made here yet.</summary>
    internal JournalManifest? ReadManifest()
    {
        string path = Path.Combine(folder, ManifestName);
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        return JournalManifest.Read(bytes, out JournalManifest? manifest) is { } why
            ? throw new JournalException("damaged", $"{path} is damaged: {why}. Nothing was changed; keep a copy of the folder and bring the file back from a backup")
            : manifest;
    }

    /// <summary>Refuses records without a manifest: making a journal does not leave them, so that this is no empty one.</summary>
    internal void RefuseRecords()
    {
        foreach ((uint segment, string path) in Segments())
        {
            if (new FileInfo(path) is { Exists: true, Length: > SegmentHeader.Bytes })
                throw new JournalException("damaged", $"{Path.Combine(folder, ManifestName)} is missing beside {segment:D10}{SegmentSuffix}, which holds records. Bring it back from a backup");
        }
    }

    /// <summary>Makes an empty journal. What a crash while doing so left is cleared.</summary>
    internal JournalManifest Create()
    {
        RefuseRecords();
        foreach ((_, string path) in Segments()) files.Delete(path);
        JournalManifest manifest = new(Guid.NewGuid(), Generation: 1, BaseSegment: 1, LastSegment: 1, AsOf: 0, SnapshotRecords: 0);
        using (SafeFileHandle file = BeginSegment(new SegmentHeader(manifest.Journal, manifest.Generation, manifest.BaseSegment, FirstSequence: 1)))
            files.Sync(file);
        files.SyncFolder(folder);
        if (Path.GetDirectoryName(folder) is { } parent) files.SyncFolder(parent);
        Replace(manifest);
        return manifest;
    }

    /// <summary>A segment that holds its header, not synced.</summary>
    internal SafeFileHandle BeginSegment(SegmentHeader header)
    {
        byte[] bytes = new byte[SegmentHeader.Bytes];
        header.Write(bytes);
        SafeFileHandle file = files.Open(JournalCursor.SegmentPath(folder, header.Segment), create: true);
        try
        {
            files.Write(file, bytes, 0);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>From when this has returned, the journal is what the manifest says, also after a crash; before, the old one or this.</summary>
    internal void Replace(JournalManifest manifest)
    {
        string temporary = Path.Combine(folder, NewManifestName);
        using (SafeFileHandle file = files.Open(temporary, create: true))
        {
            files.Write(file, manifest.ToBytes(), 0);
            files.Sync(file);
        }
        files.Rename(temporary, Path.Combine(folder, ManifestName));
        files.SyncFolder(folder);
    }

    /// <summary>
    /// Deletes what a crash left: segments before the base (a compaction that was done), and the one after the last (a segment or a compaction that
    /// never came to be). A segment there that no crash can have left is refused, and so is everything when a segment of the manifest is missing: the
    /// manifest is an older one then, and what looks like a leftover holds the records. Nothing is deleted before all of it is known.
    /// </summary>
    internal void Clean(JournalManifest manifest)
    {
        List<string> leftovers = [];
        foreach ((uint segment, string path) in Segments())
        {
            if (segment >= manifest.BaseSegment && segment <= manifest.LastSegment) continue;
            if (WhyNoLeftover(path, segment, manifest) is { } why)
            {
                throw new JournalException(
                    "damaged", $"{path} is not of this journal, and no crash can have left it: {why}. If the manifest is an older copy, bring the right one back; else move the file away");
            }
            leftovers.Add(path);
        }
        if (leftovers.Count == 0) return;
        for (uint segment = manifest.BaseSegment; segment <= manifest.LastSegment; segment++)
        {
            string path = JournalCursor.SegmentPath(folder, segment);
            if (!File.Exists(path))
            {
                throw new JournalException(
                    "damaged", $"{path} is missing, and {Path.GetFileName(leftovers[^1])} is there. Nothing was changed. If the manifest is an older copy, bring the right one back; else the segment");
            }
        }
        foreach (string path in leftovers) files.Delete(path);
    }

    private static string? WhyNoLeftover(string path, uint segment, JournalManifest manifest)
    {
        byte[] bytes = new byte[SegmentHeader.Bytes];
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        int read = RandomAccess.Read(file, bytes, 0);
        bool next = segment == manifest.LastSegment + 1;
        if (SegmentHeader.Read(bytes.AsSpan(0, read), out SegmentHeader header) is { } why)
            return next && (read < bytes.Length || !bytes.AsSpan().ContainsAnyExcept((byte)0)) ? null : why;
        if (header.Journal != manifest.Journal) return "it is of another journal";
        if (header.Segment != segment) return $"it holds segment {header.Segment}";
        if (segment < manifest.BaseSegment) return header.Generation < manifest.Generation ? null : $"it is of generation {header.Generation}";
        if (!next) return $"the last segment is {manifest.LastSegment}";
        bool begun = header.Generation == manifest.Generation && RandomAccess.GetLength(file) == SegmentHeader.Bytes;
        return begun || header.Generation == manifest.Generation + 1 ? null : "it holds records that the manifest does not know of";
    }

    private IEnumerable<(uint Segment, string Path)> Segments() =>
        from path in Directory.GetFiles(folder, "*" + SegmentSuffix).Order(StringComparer.Ordinal)
        let name = Path.GetFileNameWithoutExtension(path)
        where name.Length == 10
        let segment = uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) ? number : 0
        where segment > 0
        select (segment, path);

    private static JournalException NotAJournal(string folder, string why) =>
        new("not_a_journal", $"{folder} is no journal: {why}. Name another folder, or an empty one");
}
