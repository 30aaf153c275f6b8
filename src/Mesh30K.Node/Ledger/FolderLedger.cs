using System.Diagnostics;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ledger;

/// <summary>Bounds of a ledger on a data folder.</summary>
public sealed record FolderLedgerOptions
{
    /// <summary>The journal is compacted when more bytes than this, and than twice its snapshot, have come since. Default 8 MiB; a larger value makes opening slower.</summary>
    public long CompactBytes { get; init; } = 8L << 20;

    /// <summary>The wall clock: log time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// A ledger of one on a data folder that several processes may share: lock, catch up, encode, append, sync, apply, unlock. A process that is killed at any point leaves each
/// command whole or not at all. Callers of one process share locks and syncs: who has the turn does all that are in line. Thread-safe.
/// </summary>
/// <remarks>
/// The lock goes first: an answer is <see cref="LedgerCertainty.NotTaken"/> when it was not to be had in time. It is <see cref="LedgerCertainty.Unknown"/> only when the disk failed in the middle, or
/// the deadline passed during a write. After a failure of the disk this handle answers no more (<see cref="JournalException"/>): open another once the disk is well.
/// </remarks>
public sealed class FolderLedger : ILedger
{
    /// <summary>Commands of this process in line, at most; one more is <see cref="LedgerCertainty.NotTaken"/>.</summary>
    public const int LineMax = 4_096;

    /// <summary>Commands of one batch of the journal. So many of the largest are within its bound: a batch that is not ends this handle.</summary>
    internal const int BatchMax = 1_000;

    private readonly string _path;
    private readonly FolderLedgerOptions _options;
    private readonly JournalFolder _journal;
    private readonly LedgerReplica _replica = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Lock _gate = new();
    private readonly List<Ask> _line = [];
    private Exception? _failure;

    private FolderLedger(string path, FolderLedgerOptions options, JournalFolder journal) => (_path, _options, _journal) = (path, options, journal);

    /// <summary>Why it answers no more; null while it does.</summary>
    public string? NotReadyBecause => Volatile.Read(ref _failure)?.Message;

    private Instant Now => Instant.From(_options.Clock.GetUtcNow());

    /// <summary>Opens a ledger; its first command makes it. Throws <see cref="JournalException"/> when there is something else in the folder's <c>journal</c>.</summary>
    /// <param name="folder">The ledger's own folder.</param>
    public static FolderLedger Open(string folder, FolderLedgerOptions? options = null) => Open(folder, options, JournalFiles.OfSystem);

    internal static FolderLedger Open(string folder, FolderLedgerOptions? options, JournalFiles files)
    {
        string path = Path.GetFullPath(folder);
        return new FolderLedger(path, options ?? new FolderLedgerOptions(), JournalFolder.Open(Path.Combine(path, "journal"), new JournalOptions(), files));
    }

    public async Task<LedgerAnswer> AskAsync(LedgerCommand command, TimeSpan deadline, CancellationToken cancel = default)
    {
        if (LedgerMachine.Refuse(command) is { } refusal) return new LedgerAnswer(LedgerCertainty.Answered, refusal);
        long from = Stopwatch.GetTimestamp();
        Ask ask = new(command);
        if (!Enter(ask)) return NotTaken($"{LineMax} commands of this process are in line already");
        bool hasTurn = false;
        try
        {
            hasTurn = await _turn.WaitAsync(deadline, cancel).ConfigureAwait(false);
            if (hasTurn && !ask.Done.Task.IsCompleted) await Task.Run(() => DoLine(deadline - Stopwatch.GetElapsedTime(from), cancel), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException or ObjectDisposedException)
        {
            if (Leave(ask) || gone is OperationCanceledException) throw;
        }
        finally
        {
            if (hasTurn) _turn.Release();
        }
        if (Leave(ask)) return NotTaken($"the ledger {_path} was held by others for {deadline.TotalSeconds:0.#} s");
        return ask.Done.Task.IsCompleted
            ? await ask.Done.Task.ConfigureAwait(false)
            : new LedgerAnswer(LedgerCertainty.Unknown, null, $"the ledger {_path} was still writing after {deadline.TotalSeconds:0.#} s");
    }

    public async Task<LedgerPage<LedgerEntry>> ReadAsync(LedgerQuery query, TimeSpan deadline, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        long from = Stopwatch.GetTimestamp();
        if (!await _turn.WaitAsync(deadline, cancel).ConfigureAwait(false)) throw Busy(deadline);
        try
        {
            return await Task.Run(
                () =>
                {
                    if (!TryLock(deadline - Stopwatch.GetElapsedTime(from), cancel)) throw Busy(deadline);
                    return UnderLock(() =>
                    {
                        if (_replica.Machine.NextDue <= Now) Take([new Ask(new LedgerCommand.Tick())]);
                        return _replica.Machine.Look(query);
                    });
                },
                CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Waits for the command that is being written; later calls throw <see cref="ObjectDisposedException"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        _failure = new ObjectDisposedException(nameof(FolderLedger));
        _journal.Dispose();
        _turn.Release();
    }

    private static LedgerAnswer NotTaken(string why) => new(LedgerCertainty.NotTaken, null, why);

    private LedgerUnavailableException Busy(TimeSpan deadline) => new($"the ledger {_path} was held by others for {deadline.TotalSeconds:0.#} s");

    private bool Enter(Ask ask)
    {
        lock (_gate)
        {
            if (_line.Count >= LineMax) return false;
            _line.Add(ask);
            return true;
        }
    }

    /// <summary>Whether it was still in line, and so surely was not taken.</summary>
    private bool Leave(Ask ask)
    {
        lock (_gate) return _line.Remove(ask);
    }

    /// <summary>With the turn: does all that are in line under one lock, with one sync for each batch, if the lock is to be had in time.</summary>
    private void DoLine(TimeSpan atMost, CancellationToken cancel)
    {
        if (!TryLock(atMost, cancel)) return;
        UnderLock(() =>
        {
            // So often at most that others get the lock too; whoever has the turn is in line, and so among them.
            for (int left = LineMax; left > 0 && TakeFromLine() is { Count: > 0 } batch; left -= batch.Count) Take(batch);
            return true;
        });
    }

    private List<Ask> TakeFromLine()
    {
        lock (_gate)
        {
            List<Ask> taken = _line[..Math.Min(_line.Count, BatchMax)];
            _line.RemoveRange(0, taken.Count);
            return taken;
        }
    }

    private bool TryLock(TimeSpan atMost, CancellationToken cancel)
    {
        if (_failure is ObjectDisposedException) throw new ObjectDisposedException(nameof(FolderLedger));
        if (_failure is not null) throw new JournalException("stopped", $"the ledger {_path} has stopped: {_failure.Message}", _failure);
        return _journal.TryLock(atMost > TimeSpan.Zero ? atMost : TimeSpan.Zero, cancel);
    }

    private T UnderLock<T>(Func<T> step)
    {
        try
        {
            _journal.CatchUp(_replica);
            return step();
        }
        catch (Exception failed)
        {
            _failure = failed; // the replica may be behind the journal's handle, or hold half a record
            throw failed is LedgerFormatException ? new JournalException("damaged", $"the ledger {_path} cannot be read: {failed.Message}", failed) : failed;
        }
        finally
        {
            _journal.Unlock();
        }
    }

    private void Take(List<Ask> asks)
    {
        Instant at = Now;
        try
        {
            foreach (Ask ask in asks) _replica.Append(_journal, ask.Command, at);
            _journal.Commit();
        }
        catch (Exception failed)
        {
            foreach (Ask ask in asks) ask.Done.SetResult(new LedgerAnswer(LedgerCertainty.Unknown, null, failed.Message));
            throw;
        }
        foreach (Ask ask in asks) ask.Done.SetResult(new LedgerAnswer(LedgerCertainty.Answered, _replica.Machine.Apply(ask.Command, at)));
        if (_replica.IsCompactionDue(_journal.BytesSinceSnapshot, _options.CompactBytes)) _replica.Compact(_journal);
    }

    private sealed class Ask(LedgerCommand command)
    {
        public LedgerCommand Command { get; } = command;

        public TaskCompletionSource<LedgerAnswer> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
