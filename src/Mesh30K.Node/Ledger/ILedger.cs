using Mesh30K.Consistency.Strong.Ledger;

namespace Mesh30K.Node.Ledger;

/// <summary>
/// A ledger, wherever it is: a data folder (<c>FolderLedger</c>, which several processes may share), or a group of coordinators (<c>LedgerClient</c>). Thread-safe.
/// </summary>
public interface ILedger : IAsyncDisposable
{
    /// <summary>
    /// Has a command taken. Waits at most <paramref name="deadline"/>, in which it finds the leader and tries again with a growing pause whatever is safe to try again:
    /// what surely was not taken, and commands that may be repeated (all but <see cref="LedgerCommand.SetKey"/>). Never throws for an unreachable ledger: the answer says so.
    /// Throws <see cref="OperationCanceledException"/> when cancelled, and then nothing is known, and an <see cref="IOException"/> for a folder that is damaged.
    /// </summary>
    Task<LedgerAnswer> AskAsync(LedgerCommand command, TimeSpan deadline, CancellationToken cancel = default);

    /// <summary>A linearizable read: it sees every command that was answered before it was asked. Throws <see cref="LedgerUnavailableException"/> when the deadline passes.</summary>
    Task<LedgerPage<LedgerEntry>> ReadAsync(LedgerQuery query, TimeSpan deadline, CancellationToken cancel = default);
}

/// <summary>A read that got no answer in its time.</summary>
public sealed class LedgerUnavailableException(string message, Exception? inner = null) : IOException(message, inner);
