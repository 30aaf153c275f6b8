using System.Text;

namespace Mesh30K.Consistency.Documents;

/// <summary>A task with the indented lines below it, and the gap of the prose that it stands in.</summary>
internal readonly record struct QueueTask(QueueLine Line, string Body, int Gap)
{
    /// <summary>Whether status, dependencies and the rest are the same; the text and the place are not asked for.</summary>
    public bool HasStateOf(QueueTask other)
    {
        QueueLine a = Line;
        QueueLine b = other.Line;
        if (ReferenceEquals(a, b)) return true;
        return a.Status == b.Status && a.IsListItem == b.IsListItem && a.Agent == b.Agent && AreSame(a.DependsOn, b.DependsOn) && AreSame(a.Fields, b.Fields);
    }

    /// <summary>What of it a person reads, and knows it by.</summary>
    public (string Text, string Body) Words => (Line.Text, Body);

    /// <summary>Whether it is the same work in other words, or the same: number, text and body.</summary>
    public bool HasTextOf(QueueTask other) => Line.Text == other.Line.Text && Body == other.Body;

    /// <summary>By number, writer, agent, text and body: equal for the same element.</summary>
    public static int Compare(QueueTask a, QueueTask b)
    {
        if (ReferenceEquals(a.Line, b.Line) && ReferenceEquals(a.Body, b.Body)) return 0;
        int order = a.Line.Id.CompareTo(b.Line.Id);
        if (order == 0) order = string.CompareOrdinal(a.Line.Agent, b.Line.Agent);
        if (order == 0) order = string.CompareOrdinal(a.Line.Text, b.Line.Text);
        return order == 0 ? string.CompareOrdinal(a.Body, b.Body) : order;
    }

    public static bool AreSame<T>(IReadOnlyList<T> a, IReadOnlyList<T> b)
        where T : struct
    {
        if (ReferenceEquals(a, b)) return true;
        if (a.Count != b.Count) return false;
        for (int i = 0; i < a.Count; i++)
        {
            if (!EqualityComparer<T>.Default.Equals(a[i], b[i])) return false;
        }
        return true;
    }
}

/// <summary>A queue document: prose, and tasks in its gaps.</summary>
internal sealed class QueueDocument
{
    public Prose Prose { get; } = new();

    /// <summary>In the order of the file.</summary>
    public List<QueueTask> Tasks { get; } = [];

    /// <summary>Lines that mean to be tasks and are none, with what is wrong; they are prose.</summary>
    public List<(int Number, string Line, string Error)> Malformed { get; } = [];

    public static QueueDocument Parse(DocumentText text)
    {
        QueueDocument document = new();
        for (int i = 0; i < text.Count; i++)
        {
            ReadOnlySpan<char> line = text[i];
            if (QueueLine.TryParse(line, out QueueLine? task, out string? error))
            {
                int first = i + 1;
                while (i + 1 < text.Count && IsBody(text[i + 1])) i++;
                string body = i < first ? "" : text.Text[text.StartOf(first)..text.EndOf(i)];
                document.Tasks.Add(new QueueTask(task!, body, document.Prose.Gap));
                continue;
            }
            if (error is not null) document.Malformed.Add((i + 1, line.ToString(), error));
            document.Prose.Add(line, i + 1);
        }
        return document;
    }

    /// <summary>
    /// Prints prose with tasks, which are in the order that they shall have inside of each gap. An indented line of prose would become the body of a task
    /// right above it, so tasks of that gap stand below it.
    /// </summary>
    public static StringBuilder Print(List<string> prose, List<QueueTask> tasks, int chars)
    {
        StringBuilder text = new(chars);
        int[] places = new int[prose.Count + 1];
        for (int g = prose.Count; g >= 0; g--) places[g] = g < prose.Count && IsBody(prose[g]) ? places[g + 1] : g;
        int[] order = Gaps.Order(tasks, task => places[task.Gap], prose.Count, out int[] ends);
        int at = 0;
        for (int g = 0; g <= prose.Count; g++)
        {
            for (; at < ends[g]; at++)
            {
                QueueTask task = tasks[order[at]];
                task.Line.AppendTo(text);
                text.Append('\n');
                if (task.Body.Length > 0) text.Append(task.Body).Append('\n');
            }
            if (g < prose.Count) text.Append(prose[g]).Append('\n');
        }
        return text;
    }

    public List<DocumentElement> Elements()
    {
        List<DocumentElement> elements = new(Tasks.Count);
        foreach (QueueTask task in Tasks)
        {
            string agent = task.Line.Agent is null ? "" : $" [agent:{task.Line.Agent}]";
            string body = task.Body.Length == 0 ? "" : "\n" + task.Body;
            elements.Add(new DocumentElement($"[seq:{task.Line.Id}]{agent} {task.Line.Text}{body}", task.Line.DescribeState()));
        }
        return elements;
    }

    private static bool IsBody(ReadOnlySpan<char> line) =>
        line.Length > 0 && (line[0] == '\t' || line.StartsWith("  ", StringComparison.Ordinal)) && !line.IsWhiteSpace();
}
