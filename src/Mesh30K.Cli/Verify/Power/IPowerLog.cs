using Mesh30K.Node.Ledger;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>Which of the product's logs is written while the power fails.</summary>
internal enum PowerLogKind
{
    /// <summary>A journal by group commit, with segments and compactions.</summary>
    Journal,

    /// <summary>A Raft server's log in its journal, read back by its recovery.</summary>
    Raft,

    /// <summary>A ledger of one on a folder.</summary>
    Ledger,
}

/// <summary>What was read back is not what was written. The message says what.</summary>
internal sealed class PowerLossException(string message) : Exception(message);

/// <summary>A log of entries 1, 2, … (<see cref="PowerEntries"/>), opened and read back to its end. One owner.</summary>
internal interface IPowerLog : IAsyncDisposable
{
    /// <summary>Entries that the log held when it was opened: all that were ever acknowledged, and perhaps some that were under way.</summary>
    long Count { get; }

    /// <summary>Appends the entry; the numbers follow each other. Completes when it is acknowledged; fails with an <see cref="IOException"/> when the disk does.</summary>
    Task AppendAsync(long n);
}

/// <summary>Opens logs.</summary>
/// <param name="Journal">Opens a journal.</param>
/// <param name="Ledger">Opens a ledger of one.</param>
internal sealed record PowerLogs(Func<string, JournalOptions, JournalFolder> Journal, Func<string, FolderLedgerOptions, FolderLedger> Ledger)
{
    private static readonly TimeSpan LockWithin = TimeSpan.FromSeconds(10);

    /// <summary>Ahead of a Raft server's log, as the product does it, and small as its segments are; a plain journal goes without.</summary>
    private const int PreallocateBytes = 24 << 10;

    /// <summary>As the product opens them; segments and snapshots are small, so that a short life has many.</summary>
    public static PowerLogs OfProduct { get; } = new(JournalFolder.Open, FolderLedger.Open);

    /// <summary>Opens the log in a folder and reads it back. Throws <see cref="PowerLossException"/> for an entry that is not what was written, and <see cref="IOException"/>.</summary>
    public async Task<IPowerLog> OpenAsync(PowerLogKind kind, string folder, int seed)
    {
        string own = Path.Combine(folder, kind.ToString().ToLowerInvariant());
        PowerEntries entries = new(seed);
        if (kind == PowerLogKind.Ledger) return await LedgerPowerLog.OpenAsync(Ledger(own, new FolderLedgerOptions { CompactBytes = 256 << 10 }), entries).ConfigureAwait(false);
        JournalFolder journal = Journal(own, new JournalOptions { SegmentBytes = 96 << 10, PreallocateBytes = kind == PowerLogKind.Raft ? PreallocateBytes : 0 });
        try
        {
            if (!journal.TryLock(LockWithin)) throw new IOException($"{own} is held by another process");
            return kind == PowerLogKind.Raft ? RaftPowerLog.Open(journal, entries) : JournalPowerLog.Open(journal, entries);
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }
}
