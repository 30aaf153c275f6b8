using System.Runtime.InteropServices;
using System.Text;

namespace Mesh30K.Consistency.Documents;

/// <summary>
/// The merge of logs: a G-Set of lines, in an order that depends only on the two files. A line that begins with a timestamp is a record, and the lines
/// without one below it belong to it. The order of records is by time, then text; but a line that stands below a larger one in every file that has it,
/// as a late one does, stays below: below the smallest such line. A file is the preorder of the forest in which each line hangs below the nearest line
/// before it that is larger, with siblings ascending; the merge takes of each line the smaller parent, none being the smallest. That minimum makes it
/// commutative, associative and idempotent, and every file is canonical as it is. Work: n log n.
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
            if (!line.IsPreamble)
            {
                text.Append(line.Text).Append('\n');
                count++;
            }
            if (line.Below is not null) count += Print(line.Below, text);
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
            if (lines[i - 1].CompareTo(lines[i]) >= 0) return false;
        }
        return true;
    }

    private static void MergeAscending(List<LogLine> a, List<LogLine> b, List<LogLine> merged)
    {
        int i = 0;
        int j = 0;
        while (i < a.Count || j < b.Count)
        {
            int order = i == a.Count ? 1 : j == b.Count ? -1 : a[i].CompareTo(b[j]);
            merged.Add(order < 0 ? a[i] : order > 0 ? b[j] : Join(a[i], b[j]));
            if (order <= 0) i++;
            if (order >= 0) j++;
        }
    }

    private static LogLine Join(LogLine a, LogLine b)
    {
        if (a.Below is null || b.Below is null) return a.Below is null ? b : a;
        return a with { Below = Merge(a.Below, b.Below) };
    }

    private static void MergeForests(List<LogLine> a, List<LogLine> b, List<LogLine> merged)
    {
        Dictionary<(string Text, int Nth), Node> nodes = new(a.Count + 16);
        List<Node> roots = [];
        Hang(a, nodes);
        Hang(b, nodes);
        foreach (Node node in nodes.Values)
        {
            if (node.Parent is null) roots.Add(node);
            else (nodes[(node.Parent.Text, node.Parent.Nth)].Children ??= []).Add(node);
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
        siblings.Sort((x, y) => y.Line.CompareTo(x.Line));
        foreach (Node node in siblings) open.Push(node);
    }

    /// <summary>Finds the parents in one file with a stack of what is not yet followed by something larger.</summary>
    private static void Hang(List<LogLine> lines, Dictionary<(string Text, int Nth), Node> nodes)
    {
        Stack<LogLine> larger = new();
        foreach (LogLine line in lines)
        {
            while (larger.TryPeek(out LogLine? top) && top.CompareTo(line) < 0) larger.Pop();
            larger.TryPeek(out LogLine? parent);
            larger.Push(line);
            ref Node? node = ref CollectionsMarshal.GetValueRefOrAddDefault(nodes, (line.Text, line.Nth), out bool isKnown);
            if (!isKnown)
            {
                node = new Node { Line = line, Parent = parent };
                continue;
            }
            node!.Line = Join(node.Line, line);
            if (node.Parent is not null && (parent is null || parent.CompareTo(node.Parent) < 0)) node.Parent = parent;
        }
    }

    private sealed class Node
    {
        public required LogLine Line { get; set; }

        public LogLine? Parent { get; set; }

        public List<Node>? Children { get; set; }
    }
}
