using System.Buffers;
using System.Globalization;
using System.Text;

namespace Mesh30K.Node.Api;

/// <summary>The bounds of an event stream.</summary>
public sealed record EventStreamOptions
{
    /// <summary>
    /// Events kept, at most: what a subscriber may lag behind or resume from. Default 4,096. Policy <c>drop-oldest</c>; whoever needed a dropped
    /// one is told how many it missed. Larger costs memory, once, whatever the number of subscribers.
    /// </summary>
    public int RecentMax { get; init; } = 4_096;

    /// <summary>The largest event, in bytes of data. Default 64 KiB; a larger one is refused.</summary>
    public int EventBytesMax { get; init; } = 64 * 1024;

    /// <summary>Subscribers at once, at most; the next is answered 503. Default 64. Each costs a connection and a wake-up per event.</summary>
    public int SubscribersMax { get; init; } = 64;

    /// <summary>Silence after which a comment is sent, so that proxies and readers know the link lives. Default 15 s.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(15);
}

/// <summary>
/// Events for any number of readers, in order, over server-sent events (WHATWG HTML, section 9.2).
/// <para>
/// All subscribers read one ring of ready-made frames, each with its own position. A publisher writes a frame once and never waits: a slow
/// reader is overtaken by the ring's tail and gets an event <c>dropped</c> with <c>{"missed":n}</c>. Refused: a queue per subscriber, which
/// copies each event to each and multiplies the memory bound.
/// </para>
/// <para>
/// An event's id is <c>epoch-sequence</c>. A reader that comes back with <c>Last-Event-ID</c> goes on where it was, as far as the ring
/// reaches. An id of another epoch (the node restarted) gets all that is kept, after a <c>dropped</c> with <c>{"missed":null}</c>.
/// </para>
/// Thread-safe: publish from any thread; the lock is held for a few stores.
/// </summary>
public sealed class EventStream
{
    private readonly Lock _gate = new();
    private readonly EventStreamOptions _options;
    private readonly string _epoch;
    private readonly byte[][] _ring;
    private long _next; // sequence of the event to come; events [_next - _ring.Length, _next) are kept
    private int _subscribers;
    private TaskCompletionSource? _changed;

    /// <param name="epoch">Tells this run of the node from the others; letters and digits only.</param>
    /// <param name="options">The bounds; null for the defaults.</param>
    public EventStream(string epoch, EventStreamOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(epoch);
        if (!epoch.All(char.IsAsciiLetterOrDigit)) throw new ArgumentException("an epoch is letters and digits", nameof(epoch));
        _options = options ?? new EventStreamOptions();
        _epoch = epoch;
        _ring = new byte[_options.RecentMax][];
    }

    internal EventStreamOptions Options => _options;

    /// <summary>Subscribers now.</summary>
    public int Subscribers => Volatile.Read(ref _subscribers);

    /// <summary>Adds an event. Never waits for a reader.</summary>
    /// <param name="type">The event's name: letters, digits, <c>.</c>, <c>_</c> and <c>-</c>.</param>
    /// <param name="json">Its data, UTF-8; copied.</param>
    /// <returns>False when the data is larger than <see cref="EventStreamOptions.EventBytesMax"/>; nothing is published then.</returns>
    public bool Publish(string type, ReadOnlySpan<byte> json)
    {
        if (string.IsNullOrEmpty(type) || !type.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            throw new ArgumentException("an event type is letters, digits, '.', '_' and '-'", nameof(type));
        if (json.Length > _options.EventBytesMax) return false;
        TaskCompletionSource? waiting;
        lock (_gate)
        {
            _ring[_next % _ring.Length] = Frame(string.Create(CultureInfo.InvariantCulture, $"id: {_epoch}-{_next}\nevent: {type}\n"), json);
            _next++;
            waiting = _changed;
            _changed = null;
        }

        waiting?.TrySetResult();
        return true;
    }

    /// <summary>A reader from now on, or from after <paramref name="lastEventId"/>; null when there are too many already.</summary>
    internal Subscription? TrySubscribe(string? lastEventId)
    {
        lock (_gate)
        {
            if (_subscribers >= _options.SubscribersMax) return null;
            Interlocked.Increment(ref _subscribers);
            if (string.IsNullOrEmpty(lastEventId)) return new Subscription(this, _next, missedUnknown: false);
            return TryParse(lastEventId, out long last)
                ? new Subscription(this, last + 1, missedUnknown: false)
                : new Subscription(this, Math.Max(0, _next - _ring.Length), missedUnknown: true);
        }
    }

    private bool TryParse(string id, out long sequence)
    {
        sequence = 0;
        int dash = id.LastIndexOf('-');
        return dash > 0
            && id.AsSpan(0, dash).SequenceEqual(_epoch)
            && long.TryParse(id.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out sequence)
            && sequence < _next;
    }

    /// <summary>A frame with a <c>data:</c> line for each line of the data, so that a line break in it cannot end the frame.</summary>
    private static byte[] Frame(string head, ReadOnlySpan<byte> data)
    {
        var frame = new ArrayBufferWriter<byte>(head.Length + data.Length + 16);
        Encoding.ASCII.GetBytes(head, frame);
        while (true)
        {
            int end = data.IndexOfAny((byte)'\n', (byte)'\r');
            frame.Write("data: "u8);
            frame.Write(end < 0 ? data : data[..end]);
            frame.Write("\n"u8);
            if (end < 0) break;
            data = data[(end + 1)..];
        }

        frame.Write("\n"u8);
        return frame.WrittenSpan.ToArray();
    }

    /// <summary>One reader's position. Owned by one reader at a time; dispose it to make room for another.</summary>
    internal sealed class Subscription(EventStream stream, long next, bool missedUnknown) : IDisposable
    {
        private const int FramesPerRead = 256;

        private long _position = next;
        private bool _missedUnknown = missedUnknown;
        private bool _disposed;

        /// <summary>Appends the frames since the last call, some hundreds at most. Empty: nothing new, and the task ends when there is.</summary>
        public Task Read(List<byte[]> frames)
        {
            lock (stream._gate)
            {
                if (_missedUnknown) frames.Add(Frame("event: dropped\n", """{"missed":null}"""u8));
                _missedUnknown = false;
                long oldest = Math.Max(0, stream._next - stream._ring.Length);
                if (_position < oldest)
                {
                    string missed = string.Create(CultureInfo.InvariantCulture, $$"""{"missed":{{oldest - _position}}}""");
                    frames.Add(Frame("event: dropped\n", Encoding.ASCII.GetBytes(missed)));
                    _position = oldest;
                }

                while (_position < stream._next && frames.Count < FramesPerRead)
                    frames.Add(stream._ring[_position++ % stream._ring.Length]);
                if (frames.Count > 0) return Task.CompletedTask;
                stream._changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                return stream._changed.Task;
            }
        }

        public void Dispose()
        {
            if (_disposed) return;
            _disposed = true;
            Interlocked.Decrement(ref stream._subscribers);
        }
    }
}
