using System.Runtime.InteropServices;
using System.Text;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Documents;

/// <summary>
/// The merge of queues: an OR-Set with the base as causal context (Shapiro et al., "A comprehensive study of CRDTs", 2011, section 3.3.5). A task that
/// one side has not is removed when the base has it and the other side left it alone; otherwise it stays. Where the base has one task of a number, what
/// each side has of that number is the same task in other words: both texts stay, and they share the status, the agent and the rest.
/// Work and memory are linear in the files when they are sorted, else n log n.
/// </summary>
internal sealed class QueueMerge
{
    private const int None = -1;
    private const int Several = -2;

    private readonly QueueTask[] _start;
    private readonly QueueTask[] _ours;
    private readonly QueueTask[] _theirs;
    private readonly ProseMerge _prose;
    private readonly List<QueueTask> _merged;

    private QueueMerge(QueueDocument start, QueueDocument ours, QueueDocument theirs, ProseMerge prose)
    {
        _start = Sort(start.Tasks);
        _ours = Sort(ours.Tasks);
        _theirs = Sort(theirs.Tasks);
        _prose = prose;
        _merged = new List<QueueTask>(Math.Max(_ours.Length, _theirs.Length));
    }

    public static MergeReport Merge(DocumentText startText, DocumentText oursText, DocumentText theirsText)
    {
        QueueDocument start = QueueDocument.Parse(startText);
        QueueDocument ours = QueueDocument.Parse(oursText);
        QueueDocument theirs = QueueDocument.Parse(theirsText);
        ProseMerge prose = ProseMerge.Of(start.Prose, ours.Prose, theirs.Prose);
        DocumentFailure? failure = oursText.FindTruncation(MergeSide.Ours, startText, theirsText, start.Tasks.Count > 0)
            ?? theirsText.FindTruncation(MergeSide.Theirs, startText, oursText, start.Tasks.Count > 0)
            ?? FindMalformed(ours, MergeSide.Ours, start)
            ?? FindMalformed(theirs, MergeSide.Theirs, start)
            ?? prose.Failure;
        if (failure is not null) return new MergeReport { Failure = failure };
        QueueMerge merge = new(start, ours, theirs, prose);
        merge.Join();
        StringBuilder text = QueueDocument.Print(prose.Lines, merge._merged, Math.Max(oursText.Text.Length, theirsText.Text.Length) + 1_024);
        return merge.Count(DocumentText.Write(text, startText, oursText, theirsText));
    }

    /// <summary>A malformed task that the base has too has been there all along, and is left in place.</summary>
    public static DocumentFailure? FindMalformed(QueueDocument document, MergeSide side, QueueDocument? start)
    {
        foreach ((int number, string line, string error) in document.Malformed)
        {
            if (start is not null && start.Malformed.Exists(was => was.Line == line)) continue;
            return new DocumentFailure("bad_task", side, number, error, "a task is written: - [ ] [seq:142] [depends:140,141] [agent:name] what to do");
        }
        return null;
    }

    /// <summary>Sorted, and of lines that are the same element one that has the joined state.</summary>
    private static QueueTask[] Sort(List<QueueTask> tasks)
    {
        bool isSorted = true;
        for (int i = 1; i < tasks.Count && isSorted; i++) isSorted = QueueTask.Compare(tasks[i - 1], tasks[i]) < 0;
        if (isSorted) return [.. tasks];
        tasks.Sort(QueueTask.Compare);
        List<QueueTask> once = new(tasks.Count);
        foreach (QueueTask task in tasks)
        {
            if (once.Count > 0 && QueueTask.Compare(once[^1], task) == 0)
                once[^1] = new QueueTask(JoinState(null, once[^1].Line, task.Line, task.Line.Text), task.Body, Math.Max(once[^1].Gap, task.Gap));
            else
                once.Add(task);
        }
        return [.. once];
    }

    private void Join()
    {
        int s = 0;
        int o = 0;
        int t = 0;
        while (o < _ours.Length || t < _theirs.Length)
        {
            Dot id = o == _ours.Length || (t < _theirs.Length && _theirs[t].Line.Id < _ours[o].Line.Id) ? _theirs[t].Line.Id : _ours[o].Line.Id;
            while (s < _start.Length && _start[s].Line.Id < id) s++;
            ReadOnlySpan<QueueTask> start = Take(_start, ref s, id);
            ReadOnlySpan<QueueTask> ours = Take(_ours, ref o, id);
            ReadOnlySpan<QueueTask> theirs = Take(_theirs, ref t, id);
            int first = _merged.Count;
            if (start.Length == 1 && (ours.Length > 1 || theirs.Length > 1)) JoinOthers(start[0], ref ours, ref theirs);
            if (start.Length > 1) JoinByWords(ref start, ref ours, ref theirs);
            if (start.Length == 1 && IsUniform(ours) && IsUniform(theirs)) JoinRewordings(start[0], ours, theirs);
            else JoinEach(start, ours, theirs);
            if (_merged.Count - first > 1) CollectionsMarshal.AsSpan(_merged)[first..].Sort(QueueTask.Compare);
        }
    }

    /// <summary>
    /// Joins, and takes out, the tasks that are known to be others than that of the base: a side that still has its words did not reword it, so what else
    /// that side has of the number took the number by chance.
    /// </summary>
    private void JoinOthers(QueueTask start, ref ReadOnlySpan<QueueTask> ours, ref ReadOnlySpan<QueueTask> theirs)
    {
        HashSet<(string Text, string Body)> others = [];
        if (Has(ours, start)) AddWords(others, ours);
        if (Has(theirs, start)) AddWords(others, theirs);
        others.Remove(start.Words);
        if (others.Count == 0) return;
        JoinEach([], Only(ours, others, isIn: true), Only(theirs, others, isIn: true));
        ours = Only(ours, others, isIn: false);
        theirs = Only(theirs, others, isIn: false);
    }

    /// <summary>
    /// Where the base has several tasks of one number, joins, and takes out, those whose words no version has twice: in other hands it is the same task.
    /// </summary>
    private void JoinByWords(ref ReadOnlySpan<QueueTask> start, ref ReadOnlySpan<QueueTask> ours, ref ReadOnlySpan<QueueTask> theirs)
    {
        Dictionary<(string Text, string Body), int> startAt = PlacesByWords(start);
        Dictionary<(string Text, string Body), int> oursAt = PlacesByWords(ours);
        Dictionary<(string Text, string Body), int> theirsAt = PlacesByWords(theirs);
        HashSet<(string Text, string Body)> joined = [];
        foreach (QueueTask task in start)
        {
            int o = oursAt.GetValueOrDefault(task.Words, None);
            int t = theirsAt.GetValueOrDefault(task.Words, None);
            if (startAt[task.Words] == Several || o == Several || t == Several) continue;
            JoinRewordings(task, o == None ? [] : ours.Slice(o, 1), t == None ? [] : theirs.Slice(t, 1));
            joined.Add(task.Words);
        }
        start = Only(start, joined, isIn: false);
        ours = Only(ours, joined, isIn: false);
        theirs = Only(theirs, joined, isIn: false);
    }

    /// <summary>Where the task of these words is, or <see cref="Several"/>.</summary>
    private static Dictionary<(string Text, string Body), int> PlacesByWords(ReadOnlySpan<QueueTask> tasks)
    {
        Dictionary<(string Text, string Body), int> places = [];
        for (int i = 0; i < tasks.Length; i++)
        {
            if (!places.TryAdd(tasks[i].Words, i)) places[tasks[i].Words] = Several;
        }
        return places;
    }

    private static void AddWords(HashSet<(string Text, string Body)> words, ReadOnlySpan<QueueTask> tasks)
    {
        foreach (QueueTask task in tasks) words.Add(task.Words);
    }

    private static bool Has(ReadOnlySpan<QueueTask> tasks, QueueTask text)
    {
        foreach (QueueTask task in tasks)
        {
            if (task.HasTextOf(text)) return true;
        }
        return false;
    }

    private static QueueTask[] Only(ReadOnlySpan<QueueTask> tasks, HashSet<(string Text, string Body)> words, bool isIn) =>
        Array.FindAll(tasks.ToArray(), task => words.Contains(task.Words) == isIn);

    private static ReadOnlySpan<QueueTask> Take(QueueTask[] tasks, ref int at, Dot id)
    {
        int from = at;
        while (at < tasks.Length && tasks[at].Line.Id == id) at++;
        return tasks.AsSpan(from, at - from);
    }

    private static bool IsUniform(ReadOnlySpan<QueueTask> tasks)
    {
        for (int i = 1; i < tasks.Length; i++)
        {
            if (!tasks[i].HasStateOf(tasks[0])) return false;
        }
        return true;
    }

    /// <summary>What both sides made of one task.</summary>
    private void JoinRewordings(QueueTask start, ReadOnlySpan<QueueTask> ours, ReadOnlySpan<QueueTask> theirs)
    {
        if (ours.IsEmpty || theirs.IsEmpty)
        {
            ReadOnlySpan<QueueTask> left = ours.IsEmpty ? theirs : ours;
            if (left.Length == 1 && left[0].HasTextOf(start) && left[0].HasStateOf(start) && !IsMoved(start, left[0], ours.IsEmpty)) return;
            foreach (QueueTask task in left) _merged.Add(task with { Gap = ours.IsEmpty ? _prose.GapOfTheirs(task.Gap) : _prose.GapOfOurs(task.Gap) });
            return;
        }
        int o = 0;
        int t = 0;
        while (o < ours.Length || t < theirs.Length)
        {
            int order = o == ours.Length ? 1 : t == theirs.Length ? -1 : CompareText(ours[o], theirs[t]);
            QueueTask task = order <= 0 ? ours[o] : theirs[t];
            if (order != 0 && task.HasTextOf(start))
            {
                _ = order < 0 ? o++ : t++;
                continue;
            }
            int gap = _prose.JoinGaps(start.Gap, order <= 0 ? ours[o].Gap : ours[^1].Gap, order >= 0 ? theirs[t].Gap : theirs[^1].Gap);
            _merged.Add(new QueueTask(JoinState(start.Line, ours[0].Line, theirs[0].Line, task.Line.Text), task.Body, gap));
            if (order <= 0) o++;
            if (order >= 0) t++;
        }
    }

    private bool IsMoved(QueueTask start, QueueTask task, bool isTheirs) =>
        isTheirs ? _prose.IsMovedInTheirs(start.Gap, task.Gap) : _prose.IsMovedInOurs(start.Gap, task.Gap);

    private static int CompareText(QueueTask a, QueueTask b)
    {
        int order = string.CompareOrdinal(a.Line.Text, b.Line.Text);
        return order == 0 ? string.CompareOrdinal(a.Body, b.Body) : order;
    }

    /// <summary>Tasks of one number that are not known to be one task: each by itself.</summary>
    private void JoinEach(ReadOnlySpan<QueueTask> start, ReadOnlySpan<QueueTask> ours, ReadOnlySpan<QueueTask> theirs)
    {
        int s = 0;
        int o = 0;
        int t = 0;
        while (o < ours.Length || t < theirs.Length)
        {
            int order = o == ours.Length ? 1 : t == theirs.Length ? -1 : QueueTask.Compare(ours[o], theirs[t]);
            QueueTask task = order <= 0 ? ours[o] : theirs[t];
            while (s < start.Length && QueueTask.Compare(start[s], task) < 0) s++;
            QueueTask? was = s < start.Length && QueueTask.Compare(start[s], task) == 0 ? start[s] : null;
            if (order == 0)
            {
                int gap = _prose.JoinGaps(was?.Gap ?? -1, ours[o].Gap, theirs[t].Gap);
                _merged.Add(new QueueTask(JoinState(was?.Line, ours[o].Line, theirs[t].Line, task.Line.Text), task.Body, gap));
            }
            else if (was is null || !task.HasStateOf(was.Value) || IsMoved(was.Value, task, order > 0))
            {
                _merged.Add(task with { Gap = order < 0 ? _prose.GapOfOurs(task.Gap) : _prose.GapOfTheirs(task.Gap) });
            }
            if (order <= 0) o++;
            if (order >= 0) t++;
        }
    }

    private static QueueLine JoinState(QueueLine? start, QueueLine ours, QueueLine theirs, string text)
    {
        IReadOnlyList<Dot> dependsOn = QueueFields.Join(start?.DependsOn ?? [], ours.DependsOn, theirs.DependsOn);
        IReadOnlyList<KeyValuePair<string, string>> fields = QueueFields.Join(start?.Fields ?? [], ours.Fields, theirs.Fields);
        QueueLine joined = new()
        {
            Id = ours.Id,
            DependsOn = dependsOn,
            Agent = ThreeWay.Join(start?.Agent, ours.Agent, theirs.Agent),
            Status = ThreeWay.Join(start?.Status ?? QueueStatus.Open, ours.Status, theirs.Status),
            Fields = fields,
            Text = text,
            IsListItem = ThreeWay.Join(start?.IsListItem ?? false, ours.IsListItem, theirs.IsListItem),
        };
        return joined;
    }

    /// <summary>Counts what ours gained and lost.</summary>
    private MergeReport Count(byte[] content)
    {
        int added = 0;
        int changed = 0;
        int kept = 0;
        int o = 0;
        foreach (QueueTask task in _merged)
        {
            while (o < _ours.Length && QueueTask.Compare(_ours[o], task) < 0) o++;
            if (o == _ours.Length || QueueTask.Compare(_ours[o], task) != 0)
            {
                added++;
                continue;
            }
            kept++;
            if (!task.HasStateOf(_ours[o])) changed++;
        }
        return new MergeReport { Content = content, Added = added, Changed = changed, Removed = _ours.Length - kept };
    }
}
