using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Links.People;

/// <summary>The bounds of people's inboxes.</summary>
public sealed record InboxOptions
{
    /// <summary>Open items of one person. Default 100. Policy <c>refuse-newest</c>: one more is answered with a CONFLICT at once, so that nobody waits for it.</summary>
    public int OpenMax { get; init; } = 100;

    /// <summary>Ended items kept for each person, to look at. Default 100. Policy <c>drop-oldest</c>.</summary>
    public int EndedMax { get; init; } = 100;
}

/// <summary>
/// The inboxes of all people: what waits for whom, until when, and when to remind. One schedule for all, ordered by what is due next. Pure: time and randomness come in. Not thread-safe: the link guards it.
/// </summary>
internal sealed class Inbox(InboxOptions options, Func<int, int> random)
{
    /// <summary>No letters that look like others.</summary>
    private const string IdLetters = "23456789abcdefghjkmnpqrstuvwxyz";
    private const int IdChars = 5;

    private readonly Dictionary<string, InboxItem> _items = new(StringComparer.Ordinal);
    private readonly Dictionary<AgentId, Shelf> _people = [];
    private readonly SortedSet<(Instant At, string Id)> _schedule = [];

    /// <summary>When <see cref="Advance"/> has something to do next; null when nothing waits.</summary>
    public Instant? NextDue => _schedule.Count == 0 ? null : _schedule.Min.At;

    /// <summary>Everything that is known of one person, or of all.</summary>
    public IEnumerable<InboxItem> Of(AgentId? person) => person is { } one ? _items.Values.Where(i => i.Person == one) : _items.Values;

    public InboxItem? Find(string id) => _items.GetValueOrDefault(id);

    /// <summary>How many wait for this person.</summary>
    public int OpenOf(AgentId person) => _people.GetValueOrDefault(person)?.Open.Count ?? 0;

    /// <summary>Puts a delivery in; null when this person has as many as fit. One that is there already is given back as it is.</summary>
    /// <param name="draft">The item; its id is chosen here.</param>
    public InboxItem? Add(InboxItem draft)
    {
        if (!_people.TryGetValue(draft.Person, out Shelf? shelf)) _people[draft.Person] = shelf = new Shelf();
        if (shelf.Open.FirstOrDefault(id => _items[id].Address.Message == draft.Address.Message) is { } there) return _items[there];
        if (shelf.Open.Count >= options.OpenMax) return null;
        InboxItem item = draft with { Id = NewId() };
        _items[item.Id] = item;
        shelf.Open.Add(item.Id);
        _schedule.Add((item.NextDue, item.Id));
        return item;
    }

    /// <summary>Ends an open item.</summary>
    public InboxItem End(InboxItem item, InboxState state, Instant now, TrinaryState? answer = null, string? text = null)
    {
        Invariant.Check(item.State == InboxState.Open && state != InboxState.Open);
        _schedule.Remove((item.NextDue, item.Id));
        InboxItem ended = item with { State = state, EndedAt = now, Answer = answer, Text = text };
        _items[item.Id] = ended;
        Shelf shelf = _people[item.Person];
        shelf.Open.Remove(item.Id);
        shelf.Ended.Enqueue(item.Id);
        while (shelf.Ended.Count > options.EndedMax) _items.Remove(shelf.Ended.Dequeue());
        return ended;
    }

    /// <summary>Carries out what is due: reminders and ends, in the order of their time. A late call reminds once and not twice.</summary>
    public IEnumerable<InboxChange> Advance(Instant now)
    {
        while (_schedule.Count > 0 && _schedule.Min is var due && due.At <= now)
        {
            InboxItem item = _items[due.Id];
            if (item.Deadline <= now)
            {
                yield return new InboxChange("expired", End(item, InboxState.Expired, item.Deadline));
                continue;
            }
            _schedule.Remove(due);
            InboxItem reminded = item;
            while (reminded.Reminders < 2 && reminded.NextDue <= now) reminded = reminded with { Reminders = reminded.Reminders + 1 };
            _items[item.Id] = reminded;
            _schedule.Add((reminded.NextDue, reminded.Id));
            yield return new InboxChange("reminder", reminded);
        }
    }

    private string NewId()
    {
        while (true)
        {
            string id = string.Create(IdChars, random, static (letters, next) =>
            {
                for (int i = 0; i < letters.Length; i++) letters[i] = IdLetters[next(IdLetters.Length)];
            });
            if (!_items.ContainsKey(id)) return id;
        }
    }

    /// <summary>One person's items by id, oldest first.</summary>
    private sealed class Shelf
    {
        internal List<string> Open { get; } = [];

        internal Queue<string> Ended { get; } = [];
    }
}
