using System.Buffers;
using System.Text;

namespace Mesh30K.Consistency.Documents;

/// <summary>A file as lines of text: strict UTF-8, without NUL and without git's conflict markers. Immutable.</summary>
internal sealed class DocumentText
{
    /// <summary>The largest file that is read. A larger one takes a merge more memory than a git hook should.</summary>
    public const int BytesMax = 64 << 20;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly int[] _starts; // of each line, and one past the end of the last

    private DocumentText(string text, bool bom, bool? crlf)
    {
        Text = text;
        HasBom = bom;
        IsCrlf = crlf;
        IsComplete = text.Length == 0 || text[^1] == '\n';
        int count = text.AsSpan().Count('\n') + (IsComplete ? 0 : 1);
        _starts = new int[count + 1];
        for (int i = 1; i < count; i++) _starts[i] = text.IndexOf('\n', _starts[i - 1]) + 1;
        _starts[count] = IsComplete ? text.Length : text.Length + 1;
    }

    /// <summary>The text without a byte order mark. Where all lines end with CR LF, they end with LF here.</summary>
    public string Text { get; }

    public bool HasBom { get; }

    /// <summary>Whether all lines end with CR LF; null when no line has an end.</summary>
    public bool? IsCrlf { get; }

    /// <summary>Whether the last line has its ending.</summary>
    public bool IsComplete { get; }

    public int Count => _starts.Length - 1;

    /// <summary>A line without its ending, from 0.</summary>
    public ReadOnlySpan<char> this[int line] => Text.AsSpan(_starts[line], _starts[line + 1] - 1 - _starts[line]);

    /// <summary>Where a line starts in <see cref="Text"/>.</summary>
    public int StartOf(int line) => _starts[line];

    /// <summary>Where a line ends in <see cref="Text"/>, before its ending.</summary>
    public int EndOf(int line) => _starts[line + 1] - 1;

    public static DocumentText? TryRead(ReadOnlySpan<byte> bytes, MergeSide side, out DocumentFailure? failure)
    {
        failure = null;
        if (bytes.Length > BytesMax)
        {
            failure = new DocumentFailure("too_large", side, 0, $"the file has {bytes.Length} bytes; {BytesMax} is the most", "split the document");
            return null;
        }
        bool bom = bytes.StartsWith("\uFEFF"u8);
        if (bom) bytes = bytes[3..];
        if (bytes.IndexOf((byte)0) is >= 0 and int nul)
        {
            failure = new DocumentFailure("not_text", side, bytes[..nul].Count((byte)'\n') + 1, "a NUL byte: this is not a text file", "restore the file as text");
            return null;
        }
        string text;
        try
        {
            text = Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            failure = new DocumentFailure("not_utf8", side, LineOfInvalid(bytes), "bytes that are not UTF-8", "save the file as UTF-8");
            return null;
        }
        int ends = text.AsSpan().Count('\n');
        bool? crlf = ends == 0 ? null : ends == text.AsSpan().Count("\r\n");
        DocumentText document = new(crlf == true ? text.Replace("\r\n", "\n", StringComparison.Ordinal) : text, bom, crlf);
        failure = document.FindMarkers(side);
        return failure is null ? document : null;
    }

    /// <summary>The bytes of a merged text, whose lines end with LF: the side that changed the line ending, or the byte order mark, decides.</summary>
    public static byte[] Write(StringBuilder text, DocumentText start, DocumentText ours, DocumentText theirs)
    {
        if (text.Length == 0) return [];
        bool was = start.IsCrlf ?? false;
        if (ThreeWay.Join(was, ours.IsCrlf ?? was, theirs.IsCrlf ?? was)) text.Replace("\n", "\r\n");
        if (ThreeWay.Join(start.HasBom, ours.HasBom, theirs.HasBom)) text.Insert(0, '\uFEFF');
        return Strict.GetBytes(text.ToString());
    }

    /// <summary>
    /// Whether this side looks cut off: nothing is left of it, or its last line has no ending and is the beginning of a line of the others.
    /// </summary>
    public DocumentFailure? FindTruncation(MergeSide side, DocumentText start, DocumentText other, bool startHasElements)
    {
        if (Count == 0)
        {
            if (!startHasElements) return null;
            return new DocumentFailure("truncated", side, 0, "the file is empty, and the base is not", "restore the file, or remove it with git rm");
        }
        if (IsComplete) return null;
        ReadOnlySpan<char> last = this[Count - 1];
        int inStart = start.FindPrefix(last);
        int inOther = other.FindPrefix(last);
        if (inStart == 0 || inOther == 0 || inStart + inOther < 0) return null;
        return new DocumentFailure(
            "truncated", side, Count, "the last line has no ending and is the beginning of a longer line of another version", "restore the file, or end the line with a newline");
    }

    /// <summary>0: it is a line; 1: it is the beginning of one; -1: neither.</summary>
    private int FindPrefix(ReadOnlySpan<char> last)
    {
        int found = -1;
        for (int i = 0; i < Count; i++)
        {
            ReadOnlySpan<char> line = this[i];
            if (!line.StartsWith(last, StringComparison.Ordinal)) continue;
            if (line.Length == last.Length) return 0;
            found = 1;
        }
        return found;
    }

    private DocumentFailure? FindMarkers(MergeSide side)
    {
        for (int i = 0; i < Count; i++)
        {
            int start = _starts[i];
            if (start >= Text.Length || Text[start] is not ('<' or '>' or '|') || !IsMarker(this[i])) continue;
            return new DocumentFailure("conflict_markers", side, i + 1, "git's conflict markers are in the file", "resolve the conflict and remove the markers");
        }
        return null;
    }

    /// <summary>Seven of one sign and a space, as git writes them. <c>=======</c> is not asked for: by itself it underlines a heading, and it never comes without the others.</summary>
    private static bool IsMarker(ReadOnlySpan<char> line) =>
        line.Length >= 7 && !line[..7].ContainsAnyExcept(line[0]) && (line.Length == 7 ? line[0] != '|' : line[7] == ' ');

    private static int LineOfInvalid(ReadOnlySpan<byte> bytes)
    {
        int line = 1;
        while (Rune.DecodeFromUtf8(bytes, out Rune rune, out int used) == OperationStatus.Done)
        {
            if (rune.Value == '\n') line++;
            bytes = bytes[used..];
        }
        return line;
    }
}
