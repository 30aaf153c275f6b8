using Mesh30K.Node.Links;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Links;

/// <summary>What an outbox is to do, as plainly as it can be said: one list in the order of arrival, searched anew each time.</summary>
internal sealed class OutboxModel(int itemsMax)
{
    private readonly List<Line> _lines = [];

    public int Waiting => _lines.Count(l => !l.SentNow);

    public int Unanswered => _lines.Count(l => l.SentNow);

    public long Expired { get; private set; }

    public long Evicted { get; private set; }

    public bool Add(OutboxItem item, Instant now)
    {
        if (Find(item.Message.Id) is not null) return true;
        if (_lines.Count == itemsMax && DropExpired(now) == 0)
        {
            Evicted++;
            Line? victim = _lines.Where(l => !l.SentEver).MinBy(l => (l.Item.Priority, -_lines.IndexOf(l)));
            if (victim is null || victim.Item.Priority >= item.Priority) return false;
            _lines.Remove(victim);
            _lines.Add(new Line { Item = item });
            return false;
        }
        _lines.Add(new Line { Item = item });
        return true;
    }

    public OutboxItem? Take(Instant now)
    {
        while (_lines.Where(l => !l.SentNow).MinBy(l => (-(int)l.Item.Priority, _lines.IndexOf(l))) is { } next)
        {
            if (next.Item.ExpiresAt < now)
            {
                _lines.Remove(next);
                Expired++;
                continue;
            }
            next.SentNow = next.SentEver = true;
            return next.Item;
        }
        return null;
    }

    public OutboxItem? Answered(MessageId id, TrinaryState state)
    {
        if (Find(id) is not { SentEver: true } line) return null;
        if (state is TrinaryState.Ready or TrinaryState.Conflict) _lines.Remove(line);
        return line.Item;
    }

    public bool Cancel(MessageId id)
    {
        if (Find(id) is not { Withdrawn: false } line) return false;
        if (line.SentEver) line.Withdrawn = line.SentNow = true;
        else _lines.Remove(line);
        return line.SentEver;
    }

    public int Reconnected(Instant now)
    {
        DropExpired(now);
        foreach (Line line in _lines) line.SentNow = line.Withdrawn;
        return _lines.Count(l => l.SentEver && !l.Withdrawn);
    }

    public int DropExpired(Instant now)
    {
        int gone = _lines.RemoveAll(l => l.Item.ExpiresAt < now);
        Expired += gone;
        return gone;
    }

    private Line? Find(MessageId id) => _lines.Find(l => l.Item.Message.Id == id);

    private sealed class Line
    {
        public required OutboxItem Item { get; init; }

        public bool SentNow { get; set; }

        public bool SentEver { get; set; }

        public bool Withdrawn { get; set; }
    }
}
