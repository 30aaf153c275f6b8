using System.Text;
using Mesh30K.Consistency.Documents;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>Documents and edits as people and agents make them, from a seed.</summary>
internal sealed class RandomDocuments(int seed)
{
    private static readonly string[] Words = ["build", "push", "test the frontend", "deploy", "déjà vu", "x"];
    private static readonly string[] Agents = ["ana", "bob", "code-intel"];
    private static readonly string[] Statuses = ["open", "claimed", "failed", "cancelled", "done"];
    private readonly Random _random = new(seed);
    private int _stamps;

    public int Next(int below) => _random.Next(below);

    /// <summary>A document in canonical form.</summary>
    public string Document(DocumentType type)
    {
        string text = type switch
        {
            DocumentType.Queue => Lines(12, n => Task(n + 1), heading: Next(2) == 0),
            DocumentType.Heartbeats => "# Agents\n\n| agent | status | updated |\n| --- | --- | --- |\n" + Lines(4, n => $"| {Agents[n % 3]} | {Word()} | {Stamp()} |", heading: false),
            DocumentType.Facts => Lines(8, _ => Fact(), heading: false),
            _ => Lines(10, _ => LogLine(), heading: false),
        };
        return Doc.Merge(type, "", text, text);
    }

    /// <summary>One or a few changes to elements; prose is left alone.</summary>
    public string Edit(DocumentType type, string text)
    {
        for (int changes = 1 + Next(3); changes > 0; changes--)
        {
            List<string> lines = [.. text.Replace("\n  ", "\r  ", StringComparison.Ordinal).Split('\n')[..^1]]; // a body goes with its task
            switch (type)
            {
                case DocumentType.Queue:
                    EditQueue(lines);
                    break;
                case DocumentType.Heartbeats:
                    EditTable(lines);
                    break;
                case DocumentType.Facts:
                    lines.Insert(Next(lines.Count + 1), Fact());
                    break;
                default:
                    WriteLog(lines);
                    break;
            }
            text = lines.Count == 0 ? "" : string.Join('\n', lines).Replace('\r', '\n') + "\n";
        }
        return text;
    }

    /// <summary>Bytes flipped, cut, doubled or swapped.</summary>
    public byte[] Damage(string text)
    {
        List<byte> bytes = [.. Encoding.UTF8.GetBytes(text)];
        for (int changes = Next(4); changes > 0 && bytes.Count > 0; changes--)
        {
            int at = Next(bytes.Count);
            int kind = Next(5);
            if (kind == 0) bytes[at] = (byte)Next(256);
            else if (kind == 1) bytes.RemoveRange(at, bytes.Count - at);
            else if (kind == 2) bytes.InsertRange(at, bytes.GetRange(Next(bytes.Count), 1));
            else if (kind == 3) bytes.InsertRange(at, "|\n[seq:"u8);
            else bytes.RemoveAt(at);
        }
        return [.. bytes];
    }

    public byte[] Garbage()
    {
        ReadOnlySpan<byte> alphabet = "[]|-{}\":;,\n \t#=<>\\seq:updated@/x1290TZ\r\u00e9"u8;
        byte[] bytes = new byte[Next(200)];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = alphabet[Next(alphabet.Length)];
        return bytes;
    }

    private string Word() => Words[Next(Words.Length)];

    private string Stamp() => $"2026-11-21T07:00:{Next(60):00}.{++_stamps % 1000:000}Z@{Agents[Next(3)]}";

    private string Task(int number)
    {
        StringBuilder line = new($"- [{" /!-x"[Next(5)]}] [seq:{number}");
        if (Next(4) == 0) line.Append('@').Append(Agents[Next(3)]);
        line.Append(']');
        if (number > 1 && Next(2) == 0) line.Append($" [depends:{number - 1}]");
        if (Next(3) == 0) line.Append($" [agent:{Agents[Next(3)]}]");
        if (Next(4) == 0) line.Append($" [note:{Word()}]");
        return line.Append(' ').Append(Word()).Append(Next(5) == 0 ? "\n  with more" : "").ToString();
    }

    private string Fact() => $$"""{"entity":"{{Agents[Next(3)]}}","attribute":"{{Word()}}","value":{{Next(3)}},"at":"{{Stamp()}}"}""";

    private string LogLine() => Next(3) switch
    {
        0 => Word(),
        1 => $"2026-11-21T07:00:{Next(60):00}Z {Word()}",
        _ => $"- 2026-11-21 07:00:{Next(60):00} {Word()}",
    };

    private string Lines(int most, Func<int, string> line, bool heading)
    {
        StringBuilder text = new(heading ? "# Queue\n\n" : "");
        int count = Next(most + 1);
        for (int n = 0; n < count; n++)
        {
            if (heading && n == count / 2) text.Append("\n## Later\n\n");
            text.Append(line(n)).Append('\n');
        }
        return text.ToString();
    }

    private void EditQueue(List<string> lines)
    {
        List<int> tasks = [.. Enumerable.Range(0, lines.Count).Where(n => lines[n].StartsWith("- [", StringComparison.Ordinal))];
        int kind = tasks.Count < 2 ? 0 : Next(6);
        int at = tasks.Count == 0 ? lines.Count : tasks[Next(tasks.Count)];
        if (kind == 0) lines.Insert(at, Task(20 + Next(8)));
        else if (kind == 1) lines.RemoveAt(at);
        else if (kind == 2) lines[at] = $"- [{" /!-x"[Next(5)]}]" + lines[at][5..];
        else if (kind == 3) lines[at] = lines[at].Contains('\r') ? lines[at] : lines[at] + " " + Word();
        else if (kind == 4) lines[at] = lines[at].Replace("] ", $"] [{(Next(2) == 0 ? "note:" + Word() : "depends:" + (1 + Next(9)))}] ", StringComparison.Ordinal);
        else Move(lines, at, tasks[Next(tasks.Count)]);
    }

    /// <summary>Mostly at the end; a record never between another one and the lines below it, which would take these away from it.</summary>
    private void WriteLog(List<string> lines)
    {
        string line = LogLine();
        bool isRecord = line.Contains("2026", StringComparison.Ordinal);
        int at = Next(3) == 0 ? Next(lines.Count + 1) : lines.Count;
        while (isRecord && at < lines.Count && !lines[at].Contains("2026", StringComparison.Ordinal)) at++;
        lines.Insert(at, line);
    }

    private static void Move(List<string> lines, int from, int to)
    {
        string line = lines[from];
        lines.RemoveAt(from);
        lines.Insert(to, line);
    }

    private void EditTable(List<string> lines)
    {
        List<int> rows = [.. Enumerable.Range(0, lines.Count).Where(n => lines[n].StartsWith("| ", StringComparison.Ordinal)).Skip(2)];
        int columns = lines.Find(line => line.StartsWith("| agent", StringComparison.Ordinal))!.Count(c => c == '|') - 1;
        int kind = Next(8);
        if (kind == 0 && columns < 5) AddColumn(lines, ((string[])["load", "task"])[Next(2)]);
        else if (kind == 1 && rows.Count > 0) lines.RemoveAt(rows[Next(rows.Count)]);
        else if (kind == 2 && rows.Count > 0) EditCell(lines, rows[Next(rows.Count)]);
        else WriteRow(lines, rows);
    }

    private void EditCell(List<string> lines, int at)
    {
        string[] cells = lines[at].Split(" | ");
        cells[1] = Word();
        lines[at] = string.Join(" | ", cells);
    }

    private void WriteRow(List<string> lines, List<int> rows)
    {
        string header = lines.Find(line => line.StartsWith("| agent", StringComparison.Ordinal))!;
        string agent = Agents[Next(3)];
        string row = "| " + string.Join(" | ", header.Trim('|', ' ').Split(" | ").Select(name => name == "agent" ? agent : name == "updated" ? Stamp() : Word())) + " |";
        int at = rows.FindIndex(n => lines[n].StartsWith($"| {agent} |", StringComparison.Ordinal));
        if (at >= 0) lines[rows[at]] = row;
        else lines.Insert(lines.FindIndex(line => line.StartsWith("| ---", StringComparison.Ordinal)) + 1, row);
    }

    private void AddColumn(List<string> lines, string name)
    {
        int header = lines.FindIndex(line => line.StartsWith("| agent", StringComparison.Ordinal));
        if (lines[header].Contains($"| {name} |", StringComparison.Ordinal)) return;
        for (int n = header; n < lines.Count && lines[n].StartsWith("| ", StringComparison.Ordinal); n++)
        {
            string cell = n == header ? name : n == header + 1 ? "---" : Next(2) == 0 ? "" : Word();
            lines[n] += $" {cell} |";
        }
    }
}
