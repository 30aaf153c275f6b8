using Mesh30K.Protocol.Identity;

namespace Mesh30K.Agent.Delivery;

/// <summary>What is known of a delivery when it comes.</summary>
internal enum Known : byte
{
    /// <summary>It is new: work on it.</summary>
    New,

    /// <summary>It waits, is worked on or is held here: nothing to do.</summary>
    Open,

    /// <summary>It was answered: the same answer again.</summary>
    Answered,

    /// <summary>It was answered with nothing: cancelled, or its time was over.</summary>
    Closed,
}

/// <summary>
/// Which deliveries came, so that each reaches the handler once although the mesh sends at least once. Open ones are kept; answered ones until their time to live ends, or until they are too many
/// (policy <c>forget-oldest-answer</c>: a redelivery of what was forgotten is worked on again). An answer whose time is over may stay until those before it are over too. Pure: time comes in. Not thread-safe.
/// </summary>
/// <param name="answersMax">Answers kept at most.</param>
/// <param name="bytesMax">Bytes of answers kept at most.</param>
internal sealed class DeliveryLedger(int answersMax = 8_192, long bytesMax = 16 << 20)
{
    private readonly Dictionary<MessageId, Entry> _entries = [];
    private readonly Queue<Entry> _answered = new();
    private long _answerBytes;

    /// <summary>Deliveries that are known, open and answered.</summary>
    internal int Count => _entries.Count;

    /// <summary>Deliveries without an answer yet.</summary>
    internal int Open => _entries.Count - _answered.Count;

    /// <summary>A delivery came. A new one is open from now on.</summary>
    internal Known Came(MessageId id, Instant expiresAt, Instant now, out byte[]? answer)
    {
        Trim(now);
        answer = null;
        if (_entries.TryGetValue(id, out Entry? entry))
        {
            answer = entry.Answer;
            return !entry.IsAnswered ? Known.Open : answer is null ? Known.Closed : Known.Answered;
        }
        _entries.Add(id, new Entry(id, expiresAt));
        return Known.New;
    }

    /// <summary>The answer of an open delivery; null when none will be given. False when there is no such open one: it was cancelled meanwhile.</summary>
    internal bool Answer(MessageId id, byte[]? answer, Instant now)
    {
        if (!_entries.TryGetValue(id, out Entry? entry) || entry.IsAnswered) return false;
        entry.IsAnswered = true;
        entry.Answer = answer;
        _answerBytes += answer?.Length ?? 0;
        _answered.Enqueue(entry);
        Trim(now);
        return true;
    }

    private void Trim(Instant now)
    {
        while (_answered.TryPeek(out Entry? oldest) && (oldest.ExpiresAt < now || _answered.Count > answersMax || _answerBytes > bytesMax))
        {
            _ = _answered.Dequeue();
            _answerBytes -= oldest.Answer?.Length ?? 0;
            _ = _entries.Remove(oldest.Id);
        }
    }

    private sealed class Entry(MessageId id, Instant expiresAt)
    {
        internal MessageId Id { get; } = id;

        internal Instant ExpiresAt { get; } = expiresAt;

        internal bool IsAnswered { get; set; }

        internal byte[]? Answer { get; set; }
    }
}
