using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Runtime;
using Mesh30K.Node.Storage;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Cli.Verify;

/// <summary>What befalls a disk.</summary>
internal enum DiskTrouble
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A sync says that it failed.</summary>
    SyncFails,

    /// <summary>A write ends half done with an error.</summary>
    WriteFails,

    /// <summary>There is no room for a write, after a part of it.</summary>
    Full,

    /// <summary>The process dies in the middle of a call.</summary>
    Killed,

    /// <summary>The power fails in the middle of a call: of what was not synced anything may be missing.</summary>
    PowerFails,
}

/// <summary>
/// A folder on a disk that fails on demand, and loses on demand what was not synced. A sync is only noted, so that thousands take no time. After a sync that failed
/// the bytes that the process had written stay readable and later syncs say yes, and yet no disk has them, as on Linux: only cutting them off helps. One owner.
/// </summary>
internal sealed class FaultyFolder(Random random, Action<string> fault) : JournalFiles
{
    private const int NoSpace = 28;

    private readonly Dictionary<SafeFileHandle, string> _paths = [];
    private readonly Dictionary<string, long> _synced = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _lastWrite = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _dropped = new(StringComparer.Ordinal);
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);
    private readonly List<Action> _undo = [];
    private DiskTrouble _trouble;
    private int _callsUntil;

    /// <summary>Whether the process or the power is gone: every call fails.</summary>
    public DiskTrouble Ended { get; private set; }

    /// <summary>Calls of all kinds so far.</summary>
    public long Calls { get; private set; }

    /// <summary>Befalls the call after so many more; a failing sync or write waits for one.</summary>
    public void Arm(DiskTrouble trouble, int callsUntil) => (_trouble, _callsUntil) = (trouble, callsUntil);

    /// <summary>A new process, on the same disk, whose trouble is over. After a power failure with what is left.</summary>
    public void Restart()
    {
        if (Ended == DiskTrouble.PowerFails) LosePower();
        (Ended, _trouble) = (DiskTrouble.None, DiskTrouble.None);
        _paths.Clear();
        _written.Clear();
    }

    /// <summary>The power fails between two calls.</summary>
    public void FailPower()
    {
        Ended = DiskTrouble.PowerFails;
        fault("power_lost_between_calls");
    }

    /// <summary>Up to where the bytes of a file are followed by a later write.</summary>
    public long ProvenBytes(string path) => _lastWrite.GetValueOrDefault(path);

    public override SafeFileHandle Open(string path, bool create)
    {
        Enter("open");
        if (create)
        {
            _synced[path] = _lastWrite[path] = 0;
            _dropped.Remove(path);
            _undo.Add(() => File.Delete(path));
        }
        SafeFileHandle file = base.Open(path, create);
        _paths[file] = path;
        return file;
    }

    public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        _written.Add(_paths[file]);
        if (WhyNot("write") is { } error)
        {
            base.Write(file, bytes[..random.Next(bytes.Length + 1)], offset);
            throw error;
        }
        base.Write(file, bytes, offset);
        _lastWrite[_paths[file]] = offset;
    }

    public override void Sync(SafeFileHandle file)
    {
        string path = _paths[file];
        if (WhyNot("sync") is { } error)
        {
            if (Ended == DiskTrouble.None && _written.Contains(path)) _dropped[path] = Math.Min(_synced[path], RandomAccess.GetLength(file));
            throw error;
        }
        _synced[path] = Math.Min(RandomAccess.GetLength(file), _dropped.GetValueOrDefault(path, long.MaxValue));
    }

    public override void SyncFolder(string folder)
    {
        Enter("sync_folder");
        _undo.Clear();
    }

    public override void SetLength(SafeFileHandle file, long length)
    {
        Enter("set_length");
        base.SetLength(file, length);
        string path = _paths[file];
        _synced[path] = Math.Min(length, _synced.GetValueOrDefault(path, long.MaxValue));
        if (length <= _dropped.GetValueOrDefault(path)) _dropped.Remove(path);
        _lastWrite[path] = Math.Min(length, _lastWrite.GetValueOrDefault(path));
    }

    public override void Rename(string from, string to)
    {
        Enter("rename");
        byte[]? old = File.Exists(to) ? File.ReadAllBytes(to) : null;
        byte[] moved = File.ReadAllBytes(from);
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

    /// <summary>Of names changed and not synced any may be as before; of bytes not synced a beginning, or all of them with sectors that were never written.</summary>
    private void LosePower()
    {
        int lost = random.Next(3); // none, all, any
        foreach (Action undo in Enumerable.Reverse(_undo))
        {
            if (lost != 1 && (lost != 2 || random.Next(2) != 0)) continue;
            undo();
            fault("name_change_lost");
        }
        _undo.Clear();
        foreach ((string path, long synced) in _synced)
        {
            if (!File.Exists(path)) continue;
            byte[] bytes = File.ReadAllBytes(path);
            if (bytes.Length <= synced) continue;
            if (random.Next(2) == 0)
            {
                bytes = bytes[..random.Next((int)synced, bytes.Length + 1)];
                fault("unsynced_torn");
            }
            for (long at = synced; at < bytes.Length; at = (at / RecordFrame.SectorBytes + 1) * RecordFrame.SectorBytes)
            {
                if (random.Next(3) != 0) continue;
                bytes.AsSpan((int)at, (int)Math.Min(RecordFrame.SectorBytes - at % RecordFrame.SectorBytes, bytes.Length - at)).Clear();
                fault("unsynced_sector_lost");
            }
            File.WriteAllBytes(path, bytes);
        }
    }

    private void Enter(string what)
    {
        if (WhyNot(what) is { } error) throw error;
    }

    private IOException? WhyNot(string what)
    {
        Calls++;
        if (Ended != DiskTrouble.None) return new IOException("the process is gone");
        bool fits = _trouble switch
        {
            DiskTrouble.None => false,
            DiskTrouble.SyncFails => what is "sync" or "sync_folder",
            DiskTrouble.WriteFails or DiskTrouble.Full => what == "write",
            _ => true,
        };
        if (!fits || _callsUntil-- > 0) return null;
        DiskTrouble trouble = _trouble;
        _trouble = DiskTrouble.None;
        switch (trouble)
        {
            case DiskTrouble.SyncFails:
                fault(what + "_failed");
                return new SyncFailedException("the disk said no");
            case DiskTrouble.Full:
                fault("disk_full");
                return new IOException("no room", NoSpace);
            case DiskTrouble.WriteFails:
                fault("write_failed");
                return new IOException("the disk said no");
            default:
                Ended = trouble;
                fault((trouble == DiskTrouble.Killed ? "killed_in_" : "power_lost_in_") + what);
                return new IOException("the process is gone");
        }
    }
}
