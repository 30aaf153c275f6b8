using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Tests.Storage;

/// <summary>
/// A disk that fails on demand, and loses on demand what was not synced. Sync is only noted, so that thousands of commits take no time.
/// </summary>
internal sealed class FaultyDisk : JournalFiles
{
    private readonly Dictionary<SafeFileHandle, string> _paths = [];
    private readonly Dictionary<string, long> _synced = new(StringComparer.Ordinal);
    private readonly List<Action> _undo = [];

    /// <summary>Calls so far.</summary>
    internal int Calls { get; private set; }

    /// <summary>The power fails in this call, half done, and all later ones fail; −1 for never.</summary>
    internal int PowerFailsAt { get; set; } = -1;

    /// <summary>Asked before each call: what to throw instead of it; a write does its first half.</summary>
    internal Func<string, IOException?> Fail { get; set; } = _ => null;

    public override SafeFileHandle Open(string path, bool create)
    {
        Enter("open");
        if (create)
        {
            _synced[path] = 0;
            _undo.Add(() => File.Delete(path));
        }
        SafeFileHandle file = base.Open(path, create);
        _paths[file] = path;
        return file;
    }

    public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        try
        {
            Enter("write");
        }
        catch (IOException) when (Calls - 1 <= PowerFailsAt || PowerFailsAt < 0)
        {
            base.Write(file, bytes[..(bytes.Length / 2)], offset);
            throw;
        }
        base.Write(file, bytes, offset);
    }

    public override void Sync(SafeFileHandle file)
    {
        Enter("sync");
        _synced[_paths[file]] = RandomAccess.GetLength(file);
    }

    public override void SyncFolder(string folder)
    {
        Enter("sync folder");
        _undo.Clear();
    }

    public override void SetLength(SafeFileHandle file, long length)
    {
        Enter("set length");
        base.SetLength(file, length);
        _synced[_paths[file]] = Math.Min(length, _synced.GetValueOrDefault(_paths[file], long.MaxValue));
    }

    public override void Rename(string from, string to)
    {
        Enter("rename");
        byte[]? old = File.Exists(to) ? File.ReadAllBytes(to) : null, moved = File.ReadAllBytes(from);
        _undo.Add(() =>
        {
            if (old is null) File.Delete(to);
            else File.WriteAllBytes(to, old);
            File.WriteAllBytes(from, moved);
            (_synced[from], _synced[to]) = (_synced[to], long.MaxValue);
        });
        base.Rename(from, to);
        _synced[to] = _synced[from];
        _synced.Remove(from);
    }

    public override void Delete(string path)
    {
        Enter("delete");
        byte[] old = File.ReadAllBytes(path);
        _undo.Add(() => File.WriteAllBytes(path, old));
        base.Delete(path);
    }

    /// <summary>
    /// What a machine that lost power may find: of names changed and not synced any may be as before; of bytes not synced a beginning, or all of
    /// them with sectors that were never written.
    /// </summary>
    internal void LosePower(Random random)
    {
        int lost = random.Next(3); // none, all, any
        foreach (Action undo in Enumerable.Reverse(_undo))
            if (lost == 1 || (lost == 2 && random.Next(2) == 0)) undo();
        _undo.Clear();
        foreach ((string path, long synced) in _synced)
        {
            if (!File.Exists(path)) continue;
            byte[] bytes = File.ReadAllBytes(path);
            if (bytes.Length <= synced) continue;
            if (random.Next(2) == 0) bytes = bytes[..random.Next((int)synced, bytes.Length + 1)];
            for (long at = synced; at < bytes.Length; at = ((at / RecordFrame.SectorBytes) + 1) * RecordFrame.SectorBytes)
                if (random.Next(3) == 0) bytes.AsSpan((int)at, (int)Math.Min(RecordFrame.SectorBytes - (at % RecordFrame.SectorBytes), bytes.Length - at)).Clear();
            File.WriteAllBytes(path, bytes);
        }
    }

    private void Enter(string what)
    {
        if (PowerFailsAt >= 0 && Calls >= PowerFailsAt)
        {
            Calls++;
            throw new IOException("the power failed");
        }
        Calls++;
        if (Fail(what) is { } error) throw error;
    }
}
