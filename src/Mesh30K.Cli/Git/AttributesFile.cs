using System.Text;
using Mesh30K.Consistency.Documents;

namespace Mesh30K.Cli.Git;

/// <summary>One line of <c>.gitattributes</c>: files of this pattern are merged as this type.</summary>
internal sealed record MergeAttribute(string Pattern, DocumentType Type);

/// <summary>
/// A <c>.gitattributes</c> file with the block of <c>mesh init</c> in it. Everything else in it stays byte for byte, also lines that somebody put inside the
/// block. The block stands at the end, because git takes the last line that fits. Immutable; pure.
/// </summary>
internal sealed class AttributesFile
{
    private const string Begin = "# >>> mesh init: `mesh init` changes the lines up to <<<, `mesh init --undo` removes them";
    private const string BeginStart = "# >>> mesh init";
    private const string End = "# <<< mesh init";
    private const string NoFinalNewline = " (the file had no final newline)";
    private const string Attribute = " merge=";

    private readonly List<string> _before = [];
    private readonly List<string> _after = [];
    private readonly string _newline;
    private readonly bool _addedNewline;

    /// <summary>Reads a file.</summary>
    /// <exception cref="CliException">A block has no end: what is ours cannot be told.</exception>
    public AttributesFile(ReadOnlySpan<byte> content)
    {
        // Latin-1 keeps every byte, whatever the encoding is.
        string text = Encoding.Latin1.GetString(content);
        _newline = text.IndexOf('\n', StringComparison.Ordinal) is > 0 and int first && text[first - 1] == '\r' ? "\r\n" : "\n";
        List<MergeAttribute> entries = [];
        bool inside = false;
        foreach (string line in LinesOf(text))
        {
            string bare = line.TrimEnd('\r', '\n');
            if (bare.StartsWith(BeginStart, StringComparison.Ordinal)) (inside, HasBlock) = (true, true);
            else if (inside && bare.StartsWith(End, StringComparison.Ordinal)) (inside, _addedNewline) = (false, bare.EndsWith(NoFinalNewline, StringComparison.Ordinal));
            else if (inside && EntryOf(bare) is { } entry) entries.Add(entry);
            else (HasBlock ? _after : _before).Add(line);
        }
        if (inside) throw new CliException(new CliError(ExitCode.Usage, "block_without_end", $"the block of mesh init in .gitattributes has no end: the line \"{End}\"", "Put that line back after the last line of the block."));
        Entries = entries;
    }

    /// <summary>Whether <c>mesh init</c> wrote into it.</summary>
    public bool HasBlock { get; }

    /// <summary>The lines of the block, in their order.</summary>
    public IReadOnlyList<MergeAttribute> Entries { get; }

    /// <summary>The file with a block of these lines: where the block is, else at the end.</summary>
    public byte[] With(IReadOnlyList<MergeAttribute> entries)
    {
        string before = string.Concat(_before);
        bool addNewline = HasBlock ? _addedNewline : before.Length > 0 && !before.EndsWith('\n');
        StringBuilder text = new(before);
        if (addNewline && !before.EndsWith('\n')) text.Append(_newline);
        text.Append(Begin).Append(_newline);
        foreach (MergeAttribute entry in entries) text.Append(LineOf(entry)).Append(_newline);
        text.Append(End).Append(addNewline ? NoFinalNewline : "").Append(_newline).AppendJoin("", _after);
        return Encoding.Latin1.GetBytes(text.ToString());
    }

    /// <summary>The file as it would be had <c>mesh init</c> never run.</summary>
    public byte[] Without()
    {
        string before = string.Concat(_before);
        if (_addedNewline && _after.Count == 0 && before.EndsWith(_newline, StringComparison.Ordinal)) before = before[..^_newline.Length];
        return Encoding.Latin1.GetBytes(before + string.Concat(_after));
    }

    /// <summary>What is wrong with a pattern that a user gives; null when nothing is.</summary>
    public static string? WhyNot(string pattern) =>
        pattern.Length == 0 ? "is empty"
        : pattern.Any(char.IsControl) ? "holds a control character"
        : pattern[0] == '!' ? "starts with !, which git does not allow here"
        : pattern[^1] == '/' ? "names a folder, where git wants files, such as folder/**"
        : pattern.StartsWith("[attr]", StringComparison.Ordinal) ? "starts with [attr], which defines an attribute"
        : null;

    private static string LineOf(MergeAttribute entry)
    {
        bool quote = entry.Pattern.Any(char.IsWhiteSpace) || entry.Pattern[0] is '"' or '#';
        string pattern = quote ? $"\"{entry.Pattern.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"" : entry.Pattern;
        return Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(pattern)) + Attribute + MergeDriver.NameOf(entry.Type);
    }

    private static MergeAttribute? EntryOf(string line)
    {
        int split = line.LastIndexOf(Attribute, StringComparison.Ordinal);
        if (split <= 0) return null;
        string written = Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(line[..split]));
        bool quoted = written.Length > 2 && written[0] == '"' && written[^1] == '"';
        string pattern = quoted ? written[1..^1].Replace("\\\"", "\"", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal) : written;
        foreach (DocumentType type in Enum.GetValues<DocumentType>())
        {
            MergeAttribute entry = new(pattern, type);
            if (string.Equals(LineOf(entry), line, StringComparison.Ordinal)) return entry;
        }
        return null;
    }

    private static IEnumerable<string> LinesOf(string text)
    {
        for (int start = 0; start < text.Length;)
        {
            int end = text.IndexOf('\n', start);
            int next = end < 0 ? text.Length : end + 1;
            yield return text[start..next];
            start = next;
        }
    }
}
