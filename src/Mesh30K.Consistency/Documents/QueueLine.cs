using System.Text;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Documents;

/// <summary>How far a task of a queue document is. The order is the order of joining: of two concurrent changes the later one here wins.</summary>
public enum QueueStatus
{
    /// <summary>Nobody works on it: <c>[ ]</c>, or nothing.</summary>
    Open,

    /// <summary>Somebody works on it: <c>[/]</c>, or <c>[status:claimed]</c>.</summary>
    Claimed,

    /// <summary>It failed and is not tried again: <c>[!]</c>, or <c>[status:failed]</c>.</summary>
    Failed,

    /// <summary>It is not to be done: <c>[-]</c>, or <c>[status:cancelled]</c>.</summary>
    Cancelled,

    /// <summary>It is done: <c>[x]</c>, or <c>[status:done]</c>.</summary>
    Done,
}

/// <summary>
/// One task of a queue document: <c>[seq:142] [depends:141] [agent:code-intel] build frontend</c>, bare or as a Markdown list item
/// (<c>- [ ] [seq:142] build frontend</c>). Immutable.
/// </summary>
public sealed record QueueLine
{
    private const string Boxes = " /!-x"; // by status
    private static readonly string[] Words = ["open", "claimed", "failed", "cancelled", "done"];

    public required Dot Id { get; init; }

    /// <summary>What has to be done first, ascending, without repetition.</summary>
    public IReadOnlyList<Dot> DependsOn { get; init; } = [];

    /// <summary>Who is to do it; null for anyone.</summary>
    public string? Agent { get; init; }

    public QueueStatus Status { get; init; }

    /// <summary>Further <c>[key:value]</c> fields in their order, kept as they are.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Fields { get; init; } = [];

    public required string Text { get; init; }

    /// <summary>Whether it is written as a Markdown list item.</summary>
    public bool IsListItem { get; init; }

    /// <summary>Reads one line without its line ending; false when it is not a task.</summary>
    public static bool TryParse(ReadOnlySpan<char> line, out QueueLine? task) => TryParse(line, out task, out _);

    /// <summary>Reads one line; when it means to be a task and is none, <paramref name="error"/> says what is wrong.</summary>
    internal static bool TryParse(ReadOnlySpan<char> line, out QueueLine? task, out string? error)
    {
        task = null;
        error = null;
        ReadOnlySpan<char> rest = line;
        bool isListItem = rest.Length > 1 && rest[0] is '-' or '*' or '+' && rest[1] == ' ';
        if (isListItem) rest = rest[2..].TrimStart(' ');
        if (rest.Length < 3 || rest[0] != '[') return false;
        QueueStatus status = QueueStatus.Open;
        if (rest[2] == ']' && Boxes.IndexOf(rest[1] == 'X' ? 'x' : rest[1]) is >= 0 and int box)
        {
            status = (QueueStatus)box;
            rest = rest[3..].TrimStart(" \t");
        }
        FieldReader fields = new() { Status = status };
        while (fields.Read(ref rest))
        {
        }
        error = fields.Error;
        if (fields.Id.Number == 0)
        {
            if (rest.StartsWith("[seq:", StringComparison.Ordinal)) error ??= "[seq: without its ]";
            return false;
        }
        if (IsUnclosed(rest)) error ??= "a field without its ]";
        if (error is not null) return false;
        task = new QueueLine
        {
            Id = fields.Id,
            DependsOn = fields.DependsOn ?? [],
            Agent = fields.Agent,
            Status = fields.Status,
            Fields = fields.Others is null ? [] : fields.Others,
            Text = rest.TrimEnd().ToString(),
            IsListItem = isListItem,
        };
        return true;
    }

    /// <summary>The canonical form, one line without its ending.</summary>
    public override string ToString()
    {
        StringBuilder line = new();
        AppendTo(line);
        return line.ToString();
    }

    /// <summary>Appends the canonical form.</summary>
    internal void AppendTo(StringBuilder line)
    {
        if (IsListItem) line.Append("- [").Append(Boxes[(int)Status]).Append("] ");
        line.Append("[seq:");
        AppendDot(line, Id);
        line.Append(']');
        AppendDependencies(line);
        if (Agent is not null) line.Append(" [agent:").Append(Agent).Append(']');
        if (!IsListItem && Status != QueueStatus.Open) line.Append(" [status:").Append(Words[(int)Status]).Append(']');
        AppendFields(line);
        if (Text.Length > 0) line.Append(' ').Append(Text);
    }

    /// <summary>What may change while it stays the same task: its status, dependencies and further fields.</summary>
    internal string DescribeState()
    {
        StringBuilder state = new(Words[(int)Status]);
        AppendDependencies(state);
        AppendFields(state);
        return state.ToString();
    }

    private void AppendDependencies(StringBuilder line)
    {
        for (int i = 0; i < DependsOn.Count; i++)
        {
            line.Append(i == 0 ? " [depends:" : ",");
            AppendDot(line, DependsOn[i]);
        }
        if (DependsOn.Count > 0) line.Append(']');
    }

    private void AppendFields(StringBuilder line)
    {
        for (int i = 0; i < Fields.Count; i++) line.Append(" [").Append(Fields[i].Key).Append(':').Append(Fields[i].Value).Append(']');
    }

    private static void AppendDot(StringBuilder line, Dot dot)
    {
        line.Append(dot.Number);
        if (!dot.Writer.IsNone) line.Append('@').Append(dot.Writer.ToString());
    }

    /// <summary>A dependency or an agent that is lost because its bracket is not closed would be found out too late.</summary>
    private static bool IsUnclosed(ReadOnlySpan<char> rest) =>
        rest.Length > 0 && rest[0] == '[' && !rest.Contains(']') && rest.IndexOf(':') is > 0 and int colon && rest[1..colon] is "depends" or "agent" or "status";

    /// <summary>Reads <c>[key:value]</c> after <c>[key:value]</c>. Keys are letters, digits, <c>_</c> and <c>-</c>.</summary>
    private ref struct FieldReader
    {
        public Dot Id;
        public Dot[]? DependsOn;
        public string? Agent;
        public QueueStatus Status;
        public List<KeyValuePair<string, string>>? Others;
        public string? Error;

        /// <summary>Takes one field off the front; false when the text begins. What follows a bracket at once, as in a Markdown link, makes it text.</summary>
        public bool Read(ref ReadOnlySpan<char> rest)
        {
            if (rest.Length == 0 || rest[0] != '[') return false;
            int close = rest.IndexOf(']');
            if (close < 0) return false;
            int colon = rest[..close].IndexOf(':');
            if (colon < 2) return false;
            ReadOnlySpan<char> key = rest[1..colon];
            ReadOnlySpan<char> value = rest[(colon + 1)..close];
            bool isKnown = key is "seq" or "depends" or "agent" or "status";
            ReadOnlySpan<char> after = rest[(close + 1)..];
            if (after.Length > 0 && after[0] is not (' ' or '\t') && (!isKnown || after[0] == '(')) return false;
            if (!isKnown && !IsKey(key)) return false;
            Take(key, value);
            rest = after.TrimStart(" \t");
            return true;
        }

        private void Take(ReadOnlySpan<char> key, ReadOnlySpan<char> value)
        {
            if (key is "seq" && Id.Number == 0)
            {
                if (!Dot.TryParse(value.Trim(), out Id)) Error ??= $"[seq:{value}] is not a number";
            }
            else if (key is "depends")
            {
                if (!TryReadDots(value, ref DependsOn)) Error ??= $"[depends:{value}] is not a list of numbers";
            }
            else if (key is "agent" && Agent is null)
            {
                Agent = value.ToString();
            }
            else if (key is "status" && IndexOfWord(value) is >= 0 and int word)
            {
                if ((QueueStatus)word > Status) Status = (QueueStatus)word;
            }
            else
            {
                (Others ??= []).Add(new KeyValuePair<string, string>(key.ToString(), value.ToString()));
            }
        }

        private static int IndexOfWord(ReadOnlySpan<char> value)
        {
            for (int i = 0; i < Words.Length; i++)
            {
                if (value.SequenceEqual(Words[i])) return i;
            }
            return -1;
        }

        private static bool IsKey(ReadOnlySpan<char> key)
        {
            foreach (char c in key)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-')) return false;
            }
            return true;
        }

        private static bool TryReadDots(ReadOnlySpan<char> value, ref Dot[]? dots)
        {
            List<Dot> read = [.. dots ?? []];
            value = value.Trim();
            while (value.Length > 0)
            {
                int comma = value.IndexOf(',');
                if (!Dot.TryParse((comma < 0 ? value : value[..comma]).Trim(), out Dot dot)) return false;
                int at = read.BinarySearch(dot);
                if (at < 0) read.Insert(~at, dot);
                if (comma < 0) break;
                value = value[(comma + 1)..];
            }
            dots = [.. read];
            return true;
        }
    }
}
