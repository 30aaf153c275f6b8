using Mesh30K.Node.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Storage;

/// <summary>What befalls a disk.</summary>
public enum DiskTrouble
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A sync says that it failed.</summary>
    SyncFails,

    /// <summary>A write ends half done with an error, or an allocation.</summary>
    WriteFails,

    /// <summary>There is no room for a write, after a part of it, or for an allocation.</summary>
    Full,

    /// <summary>The process dies in the middle of a call.</summary>
    Killed,

    /// <summary>The power fails in the middle of a call: of what was not synced anything may be missing.</summary>
    PowerFails,
}

/// <summary>
/// A folder on a disk that fails on demand, and loses on demand what was not synced: for <c>mesh verify journal</c> and for tests. A sync is only noted, so that
/// thousands take no time. After a sync that failed, what was written stays readable and later syncs say yes, and yet no disk has it, as on Linux
/// (<see cref="FaultyFile"/>): it has to be written again. Not thread-safe.
/// </summary>
/// <param name="random">Draws what is lost.</param>
/// <param name="fault">Told of each fault that struck, by its name.</param>
public sealed class FaultyDisk(Random random, Action<string>? fault = null) : JournalFiles
{
    private const int NoSpace = 28;

    private readonly Dictionary<SafeFileHandle, string> _paths = [];
    private readonly Dictionary<string, FaultyFile> _files = new(StringComparer.Ordinal);
    private readonly List<Action> _undo = [];
    private DiskTrouble _trouble;
    private int _callsUntil;

    /// <summary>Whether the process or the power is gone: every call fails.</summary>
    public DiskTrouble Ended { get; private set; }

    /// <summary>Calls of all kinds so far.</summary>
    public long Calls { get; private set; }

    /// <summary>Asked before each call, by its name, as of a living process: what to throw instead of it. A write does a part, an error of a sync drops what was to be written.</summary>
    public Func<string, IOException?> Fail { get; set; } = _ => null;

    /// <summary>Befalls the call after so many more; a failing sync or write waits for one.</summary>
    public void Arm(DiskTrouble trouble, int callsUntil) => (_trouble, _callsUntil) = (trouble, callsUntil);

    /// <summary>A new process, on the same disk, whose trouble is over. After a power failure with what is left.</summary>
    public void Restart()
    {
        if (Ended == DiskTrouble.PowerFails) LosePower();
        (Ended, _trouble) = (DiskTrouble.None, DiskTrouble.None);
        _paths.Clear();
    }

    /// <summary>The power fails between two calls; <see cref="Restart"/> loses what it loses.</summary>
    public void FailPower()
    {
        Ended = DiskTrouble.PowerFails;
        Tell("power_lost_between_calls");
    }

    /// <summary>Up to where the bytes of a file are followed by a write that was made when they were durable.</summary>
    public long ProvenBytes(string path) => _files.TryGetValue(path, out FaultyFile? file) ? file.Proven : 0;

    /// <inheritdoc/>
    public override SafeFileHandle Open(string path, bool create)
    {
        Enter("open");
        if (create)
        {
            _files[path] = new FaultyFile();
            _undo.Add(() => Forget(path));
        }
        else
        {
            Known(path);
        }
        SafeFileHandle file = base.Open(path, create);
        _paths[file] = path;
        return file;
    }

    /// <inheritdoc/>
    public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        IOException? error = WhyNot("write");
        if (error is not null) bytes = bytes[..Part(file, bytes.Length, offset)];
        base.Write(file, bytes, offset);
        string path = _paths[file];
        _files[path].Written(offset, bytes.Length);
        if (random.Next(8) == 0) _files[path].WroteSome(File.ReadAllBytes(path), random);
        if (error is not null) throw error;
    }

    /// <inheritdoc/>
    public override bool TryAllocate(SafeFileHandle file, long length)
    {
        IOException? error = WhyNot("allocate");
        long has = RandomAccess.GetLength(file);
        if (error is not null) length = has + random.NextInt64(Math.Max(0, length - has) + 1);
        if (length > has) base.SetLength(file, length);
        if (error is { HResult: not NoSpace }) throw error;
        return error is null;
    }

    /// <inheritdoc/>
    public override void Sync(SafeFileHandle file)
    {
        string path = _paths[file];
        if (WhyNot("sync") is { } error)
        {
            if (Ended == DiskTrouble.None) _files[path].SyncFailed(File.ReadAllBytes(path), random);
            throw error;
        }
        _files[path].Synced(File.ReadAllBytes(path));
    }

    /// <inheritdoc/>
    public override void SyncFolder(string folder)
    {
        Enter("sync_folder");
        _undo.Clear();
    }

    /// <inheritdoc/>
    public override void SetLength(SafeFileHandle file, long length)
    {
        Enter("set_length");
        base.SetLength(file, length);
        _files[_paths[file]].CutTo(length);
    }

    /// <inheritdoc/>
    public override void Rename(string from, string to)
    {
        Enter("rename");
        byte[] moved = File.ReadAllBytes(from);
        byte[]? old = File.Exists(to) ? File.ReadAllBytes(to) : null;
        FaultyFile movedFile = Known(from);
        FaultyFile? oldFile = old is null ? null : Known(to);
        _undo.Add(() =>
        {
            if (old is null) Forget(to);
            else Restore(to, old, oldFile!);
            Restore(from, moved, movedFile);
        });
        base.Rename(from, to);
        _files[to] = movedFile;
        _files.Remove(from);
    }

    /// <inheritdoc/>
    public override void Delete(string path)
    {
        Enter("delete");
        byte[] old = File.ReadAllBytes(path);
        FaultyFile oldFile = Known(path);
        _undo.Add(() => Restore(path, old, oldFile));
        base.Delete(path);
        _files.Remove(path);
    }

    /// <summary>Of names changed and not synced any may be as before; of bytes not synced any may be missing.</summary>
    private void LosePower()
    {
        int lost = random.Next(3); // none, all, any
        foreach (Action undo in Enumerable.Reverse(_undo))
        {
            if (lost != 1 && (lost != 2 || random.Next(2) != 0)) continue;
            undo();
            Tell("name_change_lost");
        }
        _undo.Clear();
        foreach ((string path, FaultyFile file) in _files) File.WriteAllBytes(path, file.LosePower(File.ReadAllBytes(path), random, Tell));
    }

    private FaultyFile Known(string path)
    {
        if (!_files.TryGetValue(path, out FaultyFile? file)) _files[path] = file = FaultyFile.OnDisk(File.ReadAllBytes(path));
        return file;
    }

    private void Forget(string path)
    {
        File.Delete(path);
        _files.Remove(path);
    }

    private void Restore(string path, byte[] bytes, FaultyFile file)
    {
        File.WriteAllBytes(path, bytes);
        _files[path] = file;
    }

    /// <summary>How much of a write that was broken off is there. It is copied a page at a time, and ends between two in a file that does not grow.</summary>
    private int Part(SafeFileHandle file, int bytes, long offset)
    {
        long end = offset + random.Next(bytes + 1);
        if (end < RandomAccess.GetLength(file)) end = Math.Max(offset, end / FaultyFile.BlockBytes * FaultyFile.BlockBytes);
        return (int)(end - offset);
    }

    private void Enter(string what)
    {
        if (WhyNot(what) is { } error) throw error;
    }

    private IOException? WhyNot(string what)
    {
        Calls++;
        if (Ended != DiskTrouble.None) return new IOException("the process is gone");
        if (Fail(what) is { } asked) return asked;
        bool fits = _trouble switch
        {
            DiskTrouble.None => false,
            DiskTrouble.SyncFails => what is "sync" or "sync_folder",
            DiskTrouble.WriteFails or DiskTrouble.Full => what is "write" or "allocate",
            _ => true,
        };
        if (!fits || _callsUntil-- > 0) return null;
        DiskTrouble trouble = _trouble;
        _trouble = DiskTrouble.None;
        return Strike(trouble, what);
    }

    private IOException Strike(DiskTrouble trouble, string what)
    {
        switch (trouble)
        {
            case DiskTrouble.SyncFails:
                Tell(what + "_failed");
                return new SyncFailedException("the disk said no");
            case DiskTrouble.Full:
                Tell("disk_full_in_" + what);
                return new IOException("no room", NoSpace);
            case DiskTrouble.WriteFails:
                Tell(what + "_failed");
                return new IOException("the disk said no");
            default:
                Ended = trouble;
                Tell((trouble == DiskTrouble.Killed ? "killed_in_" : "power_lost_in_") + what);
                return new IOException("the process is gone");
        }
    }

    private void Tell(string what) => fault?.Invoke(what);
}
