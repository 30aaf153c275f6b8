using System.Runtime.InteropServices;
using System.Text;

namespace Mesh30K.Consistency.Documents;

/// <summary>
/// The merge of logs: a G-Set of lines, in an order that depends only on the two files. A line that begins with a timestamp is a record, and the lines
/// without one below it belong to it. Records are ordered by time, then text; the lines below one by text. But a line that in every file stands below
/// one that is larger stays there: a file is the preorder of the forest in which each line hangs below the nearest larger line before it, siblings
/// ascending, and so every file is canonical as it is. The merge is the union of the lines, and of each line's parents the smaller one, none being the
/// smallest: a pointwise minimum, so it is commutative, associative and idempotent. Work: n log n.
/// </summary>
internal static class LogMerge
{
    public static MergeReport Merge(DocumentText startText, DocumentText oursText, DocumentText theirsText)
    {
        DocumentFailure? failure = oursText.FindTruncation(MergeSide.Ours, startText, theirsText, startText.Count > 0)
            ?? theirsText.FindTruncation(MergeSide.Theirs, startText, oursText, startText.Count > 0);
        if (failure is not null) return new MergeReport { Failure = failure };
        List<LogLine> merged = Merge(LogLine.Parse(oursText), LogLine.Parse(theirsText));
        StringBuilder text = new(oursText.Text.Length + 1_024);
        int count = Print(merged, text);
        return new MergeReport { Content = DocumentText.Write(text, startText, oursText, theirsText), Added = count - oursText.Count };
    }

    private static int Print(List<LogLine> lines, StringBuilder text)
    {
        int count = 0;
        foreach (LogLine line in lines)
        {
            if (line.Ticks >= 0)
            {
                text.Append(line.Text).Append('\n');
                count++;
            }
            count += Print(line.Below, text);
        }
        return count;
    }

    private static List<LogLine> Merge(List<LogLine> a, List<LogLine> b)
    {
        List<LogLine> merged = new(Math.Max(a.Count, b.Count) + 16);
        if (IsAscending(a) && IsAscending(b)) MergeAscending(a, b, merged);
        else MergeForests(a, b, merged);
        return merged;
    }

    private static bool IsAscending(List<LogLine> lines)
    {
        for (int i = 1; i < lines.Count; i++)
        {
            if (LogLine.Compare(lines[i - 1], lines[i]) >= 0) return false;
        }
        return true;
    }

    private static void MergeAscending(List<LogLine> a, List<LogLine> b, List<LogLine> merged)
    {
        int i = 0;
        int j = 0;
        while (i < a.Count || j < b.Count)
        {
            int order = i == a.Count ? 1 : j == b.Count ? -1 : LogLine.Compare(a[i], b[j]);
            merged.Add(order < 0 ? a[i] : order > 0 ? b[j] : Join(a[i], b[j]));
            if (order <= 0) i++;
            if (order >= 0) j++;
        }
    }

    private static LogLine Join(LogLine a, LogLine b)
    {
        if (a.Below.Count == 0 || b.Below.Count == 0) return a.Below.Count == 0 ? b : a;
        return new LogLine(a.Ticks, a.Text) { Below = Merge(a.Below, b.Below) };
    }

    private static void MergeForests(List<LogLine> a, List<LogLine> b, List<LogLine> merged)
    {
        Dictionary<(string Text, int Nth), Node> nodes = new(a.Count + 16);
        foreach (LogLine line in a) nodes.Add((line.Text, line.Nth), new Node(line));
        foreach (LogLine line in b)
        {
            ref Node? node = ref CollectionsMarshal.GetValueRefOrAddDefault(nodes, (line.Text, line.Nth), out _);
            if (node is null) node = new Node(line);
            else node.Add(line);
        }
        List<Node> roots = [];
        foreach (Node node in nodes.Values)
        {
            if (node.Place.Parent is null) roots.Add(node);
            else (nodes[(node.Place.Parent.Text, node.Place.Parent.Nth)].Children ??= []).Add(node);
        }
        Stack<Node> open = new();
        Push(open, roots);
        while (open.TryPop(out Node? node))
        {
            merged.Add(node.Line);
            if (node.Children is not null) Push(open, node.Children);
        }
    }

    private static void Push(Stack<Node> open, List<Node> siblings)
    {
        siblings.Sort((x, y) => LogLine.Compare(y.Place, x.Place));
        foreach (Node node in siblings) open.Push(node);
    }

    private sealed class Node(LogLine line)
    {
        /// <summary>With the lines below it.</summary>
        public LogLine Line { get; private set; } = line;

        /// <summary>The one of the same lines that has the smaller parent.</summary>
        public LogLine Place { get; private set; } = line;

        public List<Node>? Children { get; set; }

        public void Add(LogLine same)
        {
            Line = Join(Line, same);
            if (LogLine.CompareParents(same, Place) < 0) Place = same;
        }
    }
}
