using System.Buffers;
using System.Text;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Runtime;

namespace Mesh30K.Node.Channels;

/// <summary>A channel cannot be opened as asked. The message says why, <see cref="Hint"/> what to do.</summary>
/// <param name="code"><c>bad_name</c>, <c>no_channel</c>, <c>writer_differs</c>, <c>bad_writer</c>, <c>channel_busy</c>, <c>channel_owned</c>, <c>too_many</c>.</param>
/// <param name="message">What is wrong, in one line.</param>
/// <param name="hint">What would be right.</param>
public sealed class ChannelAccessException(string code, string message, string hint) : Exception(message)
{
    public string Code { get; } = code;

    public string Hint { get; } = hint;
}

/// <summary>
/// One channel's folder in a data directory: <c>channels/NAME</c> with <c>writer</c> (whose name its numbers carry, fixed when it was made) and the
/// journal. The folders belong to their owner only (mode 0700). Immutable.
/// </summary>
/// <param name="Name">1 to 64 characters of <c>A–Z a–z 0–9 . _ -</c>, the first a letter or digit: never a path.</param>
/// <param name="Location">The absolute path.</param>
/// <param name="Writer">The name that the channel's numbers carry, or none.</param>
public sealed record ChannelFolder(string Name, string Location, ReplicaId Writer)
{
    private const string WriterFile = "writer";

    private static readonly SearchValues<char> Starts = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

    /// <summary>Where the journal is.</summary>
    public string JournalLocation => Path.Combine(Location, "journal");

    /// <summary>A file that a <see cref="ChannelHost"/> keeps while it owns the journal, so that others can say who holds it.</summary>
    private string OwnerFile => Path.Combine(Location, "owner");

    /// <summary>Whether a channel may have that name.</summary>
    public static bool IsName(string? name) => ReplicaId.TryParse(name, out _) && Starts.Contains(name[0]);

    /// <summary>The channel of that name; null when there is none. Throws <see cref="ChannelAccessException"/> for a name that cannot be.</summary>
    public static ChannelFolder? Find(string dataDirectory, string name)
    {
        string location = LocationOf(dataDirectory, name);
        string file = Path.Combine(location, WriterFile);
        if (File.Exists(file)) return new ChannelFolder(name, location, WriterIn(file));
        RefuseJournal(location, file);
        return null;
    }

    /// <summary>
    /// The channel of that name, made when there is none. Processes that do so at once get the same one.
    /// Throws <see cref="ChannelAccessException"/> when it has another writer than the one asked for.
    /// </summary>
    /// <param name="dataDirectory">Where the channels are.</param>
    /// <param name="name">Which one.</param>
    /// <param name="writer">The writer that it is to have; null for whichever it has, and none when it is new.</param>
    public static ChannelFolder FindOrCreate(string dataDirectory, string name, ReplicaId? writer)
    {
        string location = LocationOf(dataDirectory, name);
        string file = Path.Combine(location, WriterFile);
        if (!File.Exists(file))
        {
            RefuseJournal(location, file);
            AtomicFile.Write(file, Encoding.UTF8.GetBytes((writer ?? ReplicaId.None) + "\n"), replace: false);
        }
        ChannelFolder folder = new(name, location, WriterIn(file));
        if (writer is null || writer == folder.Writer) return folder;
        string has = folder.Writer.IsNone ? "no writer's name" : $"the writer {folder.Writer}";
        throw new ChannelAccessException("writer_differs", $"the channel {name} has {has}, not {writer}; that was fixed when it was made", "Leave the writer out, or use another channel.");
    }

    /// <summary>The channels of a data directory, by ordinal.</summary>
    public static IReadOnlyList<string> Names(string dataDirectory)
    {
        DirectoryInfo all = new(Path.Combine(dataDirectory, "channels"));
        if (!all.Exists) return [];
        return [.. all.EnumerateDirectories().Where(d => IsName(d.Name) && File.Exists(Path.Combine(d.FullName, WriterFile))).Select(d => d.Name).Order(StringComparer.Ordinal)];
    }

    /// <summary>The process that says it owns the channel; null when none does. After a crash it may be another process's number: the journal's lock is the proof.</summary>
    internal int? OwnerPid()
    {
        try
        {
            return int.TryParse(File.ReadAllText(OwnerFile), out int pid) ? pid : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    internal void SetOwner() => AtomicFile.Write(OwnerFile, Encoding.UTF8.GetBytes(FormattableString.Invariant($"{Environment.ProcessId}\n")), replace: true);

    internal void ClearOwner() => File.Delete(OwnerFile);

    private static string LocationOf(string dataDirectory, string name) => IsName(name)
        ? Path.Combine(Path.GetFullPath(dataDirectory), "channels", name)
        : throw new ChannelAccessException(
            "bad_name", $"a channel's name is 1 to {ReplicaId.CharsMax} characters of A-Z a-z 0-9 . _ -, the first a letter or digit", "For example: tasks, builds-2.");

    private static ReplicaId WriterIn(string file)
    {
        string text = File.ReadAllText(file);
        if (text == "\n") return ReplicaId.None;
        return ReplicaId.TryParse(text.TrimEnd('\n'), out ReplicaId writer) ? writer : throw BadWriter($"{file} holds no writer's name");
    }

    /// <summary>The writer's file is made before the journal: where it is missing, a new one would give the channel's numbers another name.</summary>
    private static void RefuseJournal(string location, string file)
    {
        if (File.Exists(Path.Combine(location, "journal", "manifest")) && !File.Exists(file)) throw BadWriter($"{file} is missing beside the channel's journal");
    }

    private static ChannelAccessException BadWriter(string message) =>
        new("bad_writer", message, "Bring it back from a backup, or write into it the name that the channel's numbers carry, as ana in 142@ana; an empty line for none.");
}
