using System.Diagnostics.CodeAnalysis;

namespace Mesh30K.Node.Runtime;

/// <summary>What became of a hand-over to another thread. An expected outcome, not an error.</summary>
public enum PostResult
{
    /// <summary>The receiver owns it now and will take it.</summary>
    Accepted,

    /// <summary>Overflow policy <c>reject-newest</c>: the bound was reached, nothing was taken; the caller keeps it, and sheds or tries again later.</summary>
    Full,

    /// <summary>The receiver has stopped or failed; nothing was taken and nothing will be.</summary>
    Closed,
}

/// <summary>
/// Many producers, one consumer: a lock-free stack that the consumer takes whole and turns round. A post is one compare-exchange; taking any
/// number of items is one exchange. Refused: a lock around a ring, since a producer that loses its core while it holds the lock stalls the
/// consumer for a whole time slice (milliseconds on 2 cores), and <c>Channel&lt;T&gt;</c>, whose wake-ups go through the thread pool.
/// One small node is allocated per item: an item is a batch, so that this is shared by what is in it.
/// Bounded by weight, policy <c>reject-newest</c>. Order: items come out in the order in which their posts took effect; so in order per producer.
/// </summary>
internal sealed class Mailbox<T>(long weightMax)
{
    internal sealed class Node(T item, int weight)
    {
        public readonly T Item = item;
        public readonly int Weight = weight;
        public Node? Next;
    }

    private static readonly Node Closed = new(default!, 0);

    private readonly ManualResetEventSlim _wake = new(initialState: false, spinCount: 0);
    private Node? _head;
    private long _weight;
    private long _rejected;
    private int _asleep;
    private volatile bool _interrupted;

    /// <summary>Weight posted and not yet given back by <see cref="Release"/>.</summary>
    public long Weight => Volatile.Read(ref _weight);

    /// <summary>Weight refused because the bound was reached.</summary>
    public long Rejected => Volatile.Read(ref _rejected);

    public bool HasItems => Volatile.Read(ref _head) is { } head && head != Closed;

    /// <summary>Any thread. Never blocks.</summary>
    public PostResult TryPost(T item, int weight = 1)
    {
        if (Interlocked.Add(ref _weight, weight) > weightMax)
        {
            Interlocked.Add(ref _weight, -weight);
            Interlocked.Add(ref _rejected, weight);
            return PostResult.Full;
        }

        var node = new Node(item, weight);
        Node? head = Volatile.Read(ref _head);
        while (true)
        {
            if (head == Closed)
            {
                Interlocked.Add(ref _weight, -weight);
                return PostResult.Closed;
            }

            node.Next = head;
            Node? seen = Interlocked.CompareExchange(ref _head, node, head);
            if (seen == head) break;
            head = seen;
        }

        Wake();
        return PostResult.Accepted;
    }

    /// <summary>Consumer only: takes everything posted so far, oldest first, as a list linked by <see cref="Node.Next"/>.</summary>
    public Node? TakeAll() => HasItems ? Reverse(Interlocked.Exchange(ref _head, null)) : null;

    /// <summary>Consumer only: refuses every later post and takes what was accepted before; nothing accepted is lost in between.</summary>
    public Node? Close() => Interlocked.Exchange(ref _head, Closed) is { } head && head != Closed ? Reverse(head) : null;

    /// <summary>Consumer: this much was dealt with and no longer counts against the bound.</summary>
    public void Release(int weight) => Interlocked.Add(ref _weight, -weight);

    /// <summary>
    /// Consumer only: sleeps until something is posted, <see cref="Interrupt"/>, or the timeout in milliseconds (−1: none). The sleeping flag
    /// is raised before the last look at the head, and a producer looks at the flag after its push: one of the two sees the other.
    /// </summary>
    public void Wait(int timeoutMs)
    {
        _wake.Reset();
        Interlocked.Exchange(ref _asleep, 1);
        if (!HasItems && !_interrupted) _wake.Wait(timeoutMs, CancellationToken.None);
        Volatile.Write(ref _asleep, 0);
    }

    /// <summary>Any thread: ends the present <see cref="Wait"/>, and no later one blocks. For stopping.</summary>
    public void Interrupt()
    {
        _interrupted = true;
        Wake();
    }

    private void Wake()
    {
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _asleep) == 1 && Interlocked.Exchange(ref _asleep, 0) == 1) _wake.Set();
    }

    [return: NotNullIfNotNull(nameof(head))]
    private static Node? Reverse(Node? head)
    {
        Node? reversed = null;
        while (head is not null)
        {
            Node? next = head.Next;
            head.Next = reversed;
            reversed = head;
            head = next;
        }

        return reversed;
    }
}
