using Mesh30K.Node.Runtime;

namespace Mesh30K.Node.Storage;

/// <summary>
/// The journal cannot be used; the message names file, offset and what to do. <see cref="Code"/> is a stable snake_case word:
/// <c>damaged</c> (bytes that were durable are wrong or missing), <c>not_a_journal</c> (the folder holds something else), <c>sync_failed</c>,
/// <c>full</c> and <c>io_failed</c> (the system refused: in a commit nothing of it is acknowledged, and the handle is dead), <c>too_large</c> (a payload or
/// batch over its bound; the handle lives), <c>busy</c> (no room in the line in time), <c>closed</c>.
/// </summary>
public sealed class JournalException(string code, string message, Exception? inner = null) : IOException(message, inner)
{
    public string Code { get; } = code;

    /// <summary>What an error of the system means for a journal.</summary>
    internal static JournalException Of(Exception error, string path, string doing)
    {
        const int FileTooLarge = 27;
        const int NoSpace = 28;
        const int QuotaExceeded = 122;
        const int WindowsDiskFull = 112;
        if (error is JournalException known) return known;
        if (error is SyncFailedException)
            return new JournalException("sync_failed", $"{path}: failed while {doing}: {error.Message}; what was not acknowledged is lost. Check the disk before you start again", error);
        bool full = (error.HResult & 0xFFFF) is FileTooLarge or NoSpace or QuotaExceeded or WindowsDiskFull;
        return full
            ? new JournalException("full", $"{path}: no room while {doing} ({error.Message}); nothing of it is acknowledged. Make room and open the journal again", error)
            : new JournalException("io_failed", $"{path}: failed while {doing}: {error.Message}", error);
    }
}
