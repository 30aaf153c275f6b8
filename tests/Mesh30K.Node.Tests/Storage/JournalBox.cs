using System.Text;
using Mesh30K.Consistency.Journal;
using Mesh30K.Node.Storage;

namespace Mesh30K.Node.Tests.Storage;

/// <summary>Keeps what a journal handed over, as text.</summary>
/// <param name="meanwhile">Done at the first record, by another process as it were.</param>
internal sealed class Heard(Action? meanwhile = null) : IJournalReader
{
    internal List<string> Records { get; } = [];

    internal List<long> Sequences { get; } = [];

    internal int Resets { get; private set; }

    public void Reset()
    {
        Resets++;
        Records.Clear();
        Sequences.Clear();
    }

    public void Apply(in JournalRecord record)
    {
        Records.Add(Encoding.UTF8.GetString(record.Payload.Span));
        Sequences.Add(record.Sequence);
        if (Records.Count == 1) meanwhile?.Invoke();
    }
}

/// <summary>A temporary folder for journals, and the few steps that the tests share.</summary>
internal sealed class JournalBox : IDisposable
{
    internal string Root { get; } = Directory.CreateTempSubdirectory("mesh-journal-").FullName;

    internal string Folder => Path.Combine(Root, "j");

    internal string Segment(int number) => Path.Combine(Folder, $"{number:D10}.segment");

    internal string Manifest => Path.Combine(Folder, "manifest");

    internal static bool Lock(JournalFolder journal, double atMostMs = 60_000) =>
        journal.TryLock(TimeSpan.FromMilliseconds(atMostMs), TestContext.Current.CancellationToken);

    /// <summary>A handle that is locked and caught up.</summary>
    internal JournalFolder Locked(IJournalReader reader, JournalOptions? options = null, JournalFiles? files = null)
    {
        JournalFolder journal = JournalFolder.Open(Folder, options ?? new JournalOptions(), files ?? JournalFiles.OfSystem);
        try
        {
            Assert.True(Lock(journal));
            journal.CatchUp(reader);
            return journal;
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>Every record of the journal, read by a fresh handle under the lock.</summary>
    internal Heard ReadAll(JournalOptions? options = null, JournalFiles? files = null)
    {
        Heard heard = new();
        Locked(heard, options, files).Dispose();
        return heard;
    }

    internal static void Append(JournalFolder journal, params string[] texts)
    {
        foreach (string text in texts) journal.Append(1, Encoding.UTF8.GetBytes(text));
        journal.Commit();
    }

    internal static IEnumerable<(byte Kind, ReadOnlyMemory<byte> Payload)> Snapshot(params string[] texts) =>
        texts.Select(t => ((byte)2, (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(t)));

    /// <summary>What this journal's refusal says when it is opened.</summary>
    internal JournalException Refused(JournalOptions? options = null) => Assert.Throws<JournalException>(() => ReadAll(options));

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
