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

    /// <summary>
    /// The document with the channel's entries: lines of entries that it has already are brought up to date where they are, the others come at its end;
    /// what is no entry of the channel stays as it is.
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
                    fresh = (task with { DependsOn = Dots(entry), Status = StatusOf(entry), Fields = FieldsOf(entry, task.Fields) }).ToString();
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
    /// What a document has that the channel has not, as one batch. A dependency on a number without a writer means every entry of that number, of the
    /// document or the channel.
    /// </summary>
    /// <param name="text">The document, which is sound.</param>
    /// <param name="isKnown">Whether the channel has, or had, that entry.</param>
    /// <param name="existing">Numbers that the channel has, for dependencies without a writer.</param>
    public static (List<ChannelCommand.Push> Fresh, int Skipped) Read(string text, Func<Dot, bool> isKnown, IEnumerable<Dot> existing)
    {
        List<QueueLine> tasks = [];
        foreach (string line in text.Split('\n'))
        {
            if (QueueLine.TryParse(line.TrimEnd('\r'), out QueueLine? task)) tasks.Add(task!);
        }
        ILookup<long, Dot> byNumber = tasks.Select(t => t.Id).Concat(existing).Distinct().ToLookup(d => d.Number);
        List<ChannelCommand.Push> fresh = [];
        int skipped = 0;
        foreach (QueueLine task in tasks)
        {
            if (isKnown(task.Id)) skipped++;
            else fresh.Add(PushOf(task, byNumber));
        }
        return (fresh, skipped);
    }

    private static ChannelCommand.Push PushOf(QueueLine task, ILookup<long, Dot> byNumber)
    {
        List<Dot> dependsOn = [];
        foreach (Dot on in task.DependsOn)
        {
            if (on.Writer.IsNone && byNumber[on.Number].Where(d => d != task.Id).ToArray() is { Length: > 0 } all) dependsOn.AddRange(all);
            else dependsOn.Add(on);
        }
        string? clockText = task.Fields.FirstOrDefault(f => f.Key == ClockField).Value;
        if (!VectorClock.TryParse(clockText ?? "", out VectorClock clock))
            throw new CliException(new CliError(ExitCode.Usage, "bad_document", $"the clock of {task.Id} is not one: {clockText}", "For example [clock:12@ana,7@bob], writers ascending."));
        EntryStatus? ended = task.Status switch
        {
            QueueStatus.Done => EntryStatus.Done,
            QueueStatus.Failed => EntryStatus.Failed,
            QueueStatus.Cancelled => EntryStatus.Cancelled,
            _ => null,
        };
        return new ChannelCommand.Push(task.Text, [.. dependsOn.Distinct()], task.Agent, null, task.Id, Clock: clockText is null ? null : clock, Ended: ended);
    }

    private static Dot[] Dots(EntryView entry) => [.. entry.DependsOn.Select(QueueDots.Parse).Order()];

    private static List<KeyValuePair<string, string>> FieldsOf(EntryView entry, IReadOnlyList<KeyValuePair<string, string>> kept)
    {
        List<KeyValuePair<string, string>> fields = [.. kept.Where(f => f.Key != ClockField)];
        if (entry.Clock is { } clock) fields.Add(new(ClockField, clock));
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
