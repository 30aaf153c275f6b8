using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Links;

/// <summary>
/// Gathers what many connections receive for one event loop into arrays: a loop's mailbox counts arrays, and an array for each ack would cost more than the ack. Whoever adds posts when an array is full or has waited
/// <see cref="WaitMax"/>; what is left is posted by the thread pool, at once when it has nothing else to do. Thread-safe.
/// </summary>
/// <param name="post">Hands an array over; false when it was not taken.</param>
/// <param name="lost">Told how many were not taken.</param>
internal sealed class IngressBatcher<T>(Func<T[], int, bool> post, Action<int> lost) : IThreadPoolWorkItem
    where T : struct
{
    private const int FirstSize = 8;

    /// <summary>Under 85,000 bytes for acks, so that arrays die young.</summary>
    private const int BatchMax = 512;

    /// <summary>A busy thread pool comes late; acks must not miss the end of a gathering for it.</summary>
    private static readonly TimeSpan WaitMax = TimeSpan.FromMilliseconds(2);

    private readonly Lock _gate = new();
    private T[] _items = new T[FirstSize];
    private int _count;
    private Instant _firstAt;
    private bool _scheduled;

    public void Add(in T item, Instant now)
    {
        T[]? full = null;
        int count = 0;
        bool schedule = false;
        lock (_gate)
        {
            if (_count == 0) _firstAt = now;
            if (_count == _items.Length) Array.Resize(ref _items, _count * 2);
            _items[_count++] = item;
            if (_count == BatchMax || now - _firstAt >= WaitMax) (full, count) = Swap();
            else if (!_scheduled) schedule = _scheduled = true;
        }
        if (full is not null) Post(full, count);
        if (schedule) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        T[] items;
        int count;
        lock (_gate)
        {
            _scheduled = false;
            if (_count == 0) return;
            (items, count) = Swap();
        }
        Post(items, count);
    }

    private (T[] Items, int Count) Swap()
    {
        (T[], int) taken = (_items, _count);
        // As large as the last one was, so that a busy link does not grow each array anew.
        _items = new T[Math.Clamp(_count, FirstSize, BatchMax)];
        _count = 0;
        return taken;
    }

    private void Post(T[] items, int count)
    {
        if (!post(items, count)) lost(count);
    }
}
