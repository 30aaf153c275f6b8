using System.Text;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Documents;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Api.Channels;

namespace Mesh30K.Cli.Queue;

/// <summary>Between a channel and a queue document (QUEUE.md). Pure.</summary>
internal static class QueueFile
{
    private const string ClockField = "clock";
    private const string ResultField = "result";

    /// <summary>Characters of a result that an export writes; a longer one stays in its channel.</summary>
    private const int ResultCharsMax = 500;

    /// <summary>
    /// The document with the channel's entries: lines of entries that it has already are brought up to date where they are, the others come at its end;
    /// what is no entry of the channel stays as it is, and so does the line of a task that is done there and not yet here.
    /// </summary>
    /// <param name="entries">The channel's entries, by number.</param>
    /// <param name="hasWriter">Whether the channel's numbers carry a name: only then a clock tells anything.</param>
    /// <param name="existing">The document so far; empty for none.</param>
    public static (string Text, int Added, int Changed) Write(IEnumerable<EntryView> entries, bool hasWriter, string existing)
    {
        Dictionary<Dot, EntryView> left = entries.Select(e => hasWriter ? e : e with { Clock = null }).ToDictionary(e => QueueDots.Parse(e.Id));
        StringBuilder text = new(existing.Length);
        int changed = 0;
        bool asList = true;
        string[] lines = existing.Length == 0 ? [] : existing.TrimEnd('\n').Split('\n');
        foreach (string line in lines)
        {
            string fresh = line;
            if (QueueLine.TryParse(line, out QueueLine? task))
            {
                asList = task!.IsListItem;
                if (left.TryGetValue(task.Id, out EntryView? entry) && entry.Text == task.Text && entry.Agent == task.Agent)
                {
                    left.Remove(task.Id);
                    bool isAhead = task.Status == QueueStatus.Done && entry.Status != "done";
                    if (!isAhead) fresh = (task with { DependsOn = Dots(entry), Status = StatusOf(entry), Fields = FieldsOf(entry, task.Fields) }).ToString();
                    if (fresh != line) changed++;
                }
            }
            text.Append(fresh).Append('\n');
        }
        int added = 0;
        foreach ((Dot id, EntryView entry) in left.OrderBy(e => e.Key))
        {
            QueueLine line = new()
            {
                Id = id,
                DependsOn = Dots(entry),
                Agent = entry.Agent,
                Status = StatusOf(entry),
                Fields = FieldsOf(entry, []),
                Text = entry.Text,
                IsListItem = asList,
            };
            string written = line.ToString();
            if (!QueueLine.TryParse(written, out QueueLine? back) || back!.Text != line.Text || back.Agent != line.Agent)
            {
                throw new CliException(new CliError(
                    ExitCode.Usage, "not_writable", $"{id} cannot be written as a line: its text or agent begins like a field, [key:value], or holds a bracket", "Cancel it and push it with another text."));
            }
            text.Append(written).Append('\n');
            added++;
        }
        return (text.ToString(), added, changed);
    }

    /// <summary>
    /// What a document has that the channel has not: entries, and ends of entries that have not ended so here. Together one batch, to be pushed. A
    /// dependency on a number without a writer means every entry of that number, of the document or the channel. A line with another text or agent than
    /// its entry ends nothing.
    /// </summary>
    /// <param name="text">The document, which is sound.</param>
    /// <param name="known">What the channel has.</param>
    public static (List<ChannelCommand.Push> Fresh, List<ChannelCommand.Push> Ends, int Skipped) Read(string text, KnownEntries known)
    {
        List<QueueLine> tasks = [];
        foreach (string line in text.Split('\n'))
        {
            if (QueueLine.TryParse(line.TrimEnd('\r'), out QueueLine? task)) tasks.Add(task!);
        }
        ILookup<long, Dot> byNumber = tasks.Select(t => t.Id).Concat(known.Existing.Keys).Distinct().ToLookup(d => d.Number);
        List<ChannelCommand.Push> fresh = [];
        List<ChannelCommand.Push> ends = [];
        int skipped = 0;
        foreach (QueueLine task in tasks)
        {
            if (!known.IsKnown(task.Id)) fresh.Add(PushOf(task, byNumber));
            else if (known.Existing.TryGetValue(task.Id, out EntryView? here) && EndOf(task, here) is { } end) ends.Add(end);
            else skipped++;
        }
        return (fresh, ends, skipped);
    }

    private static ChannelCommand.Push? EndOf(QueueLine task, EntryView here)
    {
        bool ends = task.Text == here.Text && task.Agent == here.Agent
            && Ended(task.Status) is { } ended && Channel.IsLaterEnd(Enum.Parse<EntryStatus>(here.Status, ignoreCase: true), ended);
        return ends ? new ChannelCommand.Push(task.Text, [], task.Agent, Id: task.Id, Ended: Ended(task.Status), Result: Field(task, ResultField)) : null;
    }

    private static ChannelCommand.Push PushOf(QueueLine task, ILookup<long, Dot> byNumber)
    {
        List<Dot> dependsOn = [];
        foreach (Dot on in task.DependsOn)
        {
            if (on.Writer.IsNone && byNumber[on.Number].Where(d => d != task.Id).ToArray() is { Length: > 0 } all) dependsOn.AddRange(all);
            else dependsOn.Add(on);
        }
        string? clockText = Field(task, ClockField);
        if (!VectorClock.TryParse(clockText ?? "", out VectorClock clock))
            throw new CliException(new CliError(ExitCode.Usage, "bad_document", $"the clock of {task.Id} is not one: {clockText}", "For example [clock:12@ana,7@bob], writers ascending."));
        EntryStatus? ended = Ended(task.Status);
        string? result = ended is null ? null : Field(task, ResultField);
        return new ChannelCommand.Push(task.Text, [.. dependsOn.Distinct()], task.Agent, null, task.Id, Clock: clockText is null ? null : clock, Ended: ended, Result: result);
    }

    private static EntryStatus? Ended(QueueStatus status) => status switch
    {
        QueueStatus.Done => EntryStatus.Done,
        QueueStatus.Failed => EntryStatus.Failed,
        QueueStatus.Cancelled => EntryStatus.Cancelled,
        _ => null,
    };

    private static string? Field(QueueLine task, string key) => task.Fields.FirstOrDefault(f => f.Key == key).Value;

    private static Dot[] Dots(EntryView entry) => [.. entry.DependsOn.Select(QueueDots.Parse).Order()];

    private static List<KeyValuePair<string, string>> FieldsOf(EntryView entry, IReadOnlyList<KeyValuePair<string, string>> kept)
    {
        List<KeyValuePair<string, string>> fields = [.. kept.Where(f => f.Key is not (ClockField or ResultField))];
        if (entry.Clock is { } clock) fields.Add(new(ClockField, clock));
        bool hasEnd = entry.EndedAt is not null && entry.Result is { Length: > 0 and <= ResultCharsMax } told && told != entry.Status && !told.Contains(']', StringComparison.Ordinal);
        if (hasEnd) fields.Add(new(ResultField, entry.Result!));
        return fields;
    }

    private static QueueStatus StatusOf(EntryView entry) => entry.Status switch
    {
        "claimed" => QueueStatus.Claimed,
        "done" => QueueStatus.Done,
        "failed" => QueueStatus.Failed,
        "cancelled" => QueueStatus.Cancelled,
        _ => QueueStatus.Open,
    };
}

/// <summary>Ids that a channel gave, which are sound.</summary>
internal static class QueueDots
{
    public static Dot Parse(string id) => Dot.TryParse(id, out Dot dot) ? dot : throw new InvalidOperationException($"not an id: {id}");
}
