using Mesh30K.Cli.Commands;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.State;

/// <summary>Files of shared documents as the command line names them: their types, and what is in them.</summary>
internal static class DocumentFiles
{
    /// <summary>The names of the types, for <c>--type</c>.</summary>
    public static readonly string[] TypeNames = [.. Enum.GetValues<DocumentType>().Select(NameOf)];

    /// <summary>What a file of this name is, when nobody says otherwise.</summary>
    public static readonly (string FileName, DocumentType Type)[] KnownNames =
    [
        ("QUEUE.md", DocumentType.Queue),
        ("HEARTBEATS.md", DocumentType.Heartbeats),
        ("FACTS.jsonl", DocumentType.Facts),
        ("LOG.md", DocumentType.Log),
    ];

    public static string NameOf(DocumentType type) => type.ToString().ToLowerInvariant();

    /// <summary>The type of that name; null when there is none.</summary>
    public static DocumentType? TypeOf(string name)
    {
        int index = Array.IndexOf(TypeNames, name);
        return index < 0 ? null : (DocumentType)index;
    }

    /// <summary>The type that was given, else the one that the first known name among the paths tells.</summary>
    /// <exception cref="CliException">No name tells it.</exception>
    public static DocumentType TypeFor(string? given, params ReadOnlySpan<string?> paths)
    {
        if (given is not null) return TypeOf(given) ?? throw new InvalidOperationException("the parser lets known types through only");
        foreach (string? path in paths)
        {
            string name = Path.GetFileName(path) ?? "";
            foreach ((string known, DocumentType type) in KnownNames)
                if (string.Equals(name, known, StringComparison.OrdinalIgnoreCase)) return type;
        }
        throw new CliException(new CliError(
            ExitCode.Usage, "type_unknown", $"the name {NameIn(paths)} does not tell the type of the document",
            $"Say it with --type: {string.Join(", ", TypeNames)}."));
    }

    private static string NameIn(ReadOnlySpan<string?> paths)
    {
        foreach (string? path in paths)
            if (!string.IsNullOrEmpty(path)) return Path.GetFileName(path);
        return "\"\"";
    }

    /// <summary>The content of a file that the user named.</summary>
    /// <exception cref="CliException">It is missing, no file, too large or unreadable.</exception>
    public static byte[] Read(VerbRun run, string path)
    {
        string absolute = run.PathOf(path);
        try
        {
            using FileStream file = new(absolute, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (file.Length > SharedDocument.BytesMax) throw TooLarge(path, file.Length);
            byte[] content = new byte[file.Length];
            file.ReadExactly(content);
            return content;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            string what = unreadable is FileNotFoundException or DirectoryNotFoundException ? "does not exist"
                : Directory.Exists(absolute) ? "is a folder" : "cannot be read: " + unreadable.Message;
            throw new CliException(new CliError(ExitCode.Usage, "bad_path", $"{path} {what}", "Name an existing file."));
        }
    }

    /// <summary>All of a stream, such as stdin.</summary>
    /// <exception cref="CliException">It is too large.</exception>
    public static byte[] Read(Stream stream, string name)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[64 << 10];
        while (stream.Read(buffer) is > 0 and int count)
        {
            all.Write(buffer, 0, count);
            if (all.Length > SharedDocument.BytesMax) throw TooLarge(name, all.Length);
        }
        return all.ToArray();
    }

    /// <summary>Timestamps are held against the wall clock of this machine.</summary>
    public static MergeOptions OptionsNow() => new() { Now = Instant.From(DateTimeOffset.UtcNow) };

    /// <summary>The failure in one line: <c>QUEUE.md, theirs, line 14: …</c></summary>
    public static CliError Explain(DocumentFailure failure, string path, string? side)
    {
        string place = failure.Line > 0 ? $"{path}{(side is null ? "" : $", {side}")}, line {failure.Line}" : $"{path}{(side is null ? "" : $", {side}")}";
        return new CliError(ExitCode.NotAchieved, failure.Code, $"{place}: {failure.Message}", failure.Hint);
    }

    /// <summary>Why a file is no sound document, in one line; null when it is one.</summary>
    public static string? WhyNot(string absolute, string name, DocumentType type, MergeOptions options)
    {
        try
        {
            if (new FileInfo(absolute).Length > SharedDocument.BytesMax) return $"{name} has more than {SharedDocument.BytesMax} bytes";
            return DocumentMerge.Check(type, File.ReadAllBytes(absolute), options) is { } wrong ? Explain(wrong, name, side: null).Message : null;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return $"{name} cannot be read: {unreadable.Message}";
        }
    }

    private static CliException TooLarge(string name, long bytes) =>
        new(new CliError(ExitCode.Usage, "too_large", $"{name} has {bytes} bytes or more; a document has at most {SharedDocument.BytesMax}", "Split it, or move old entries to another file."));
}
