using System.Net.WebSockets;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>
/// What leaves on one connection: items gather in one buffer while the other is being sent, and what has gathered is one WebSocket message, or several where it is more than a receiver takes.
/// Bounded; the policy when it is full is the writer's. Thread-safe.
/// </summary>
internal sealed class SendLane(WebSocket socket, int bytesMax, Action<Exception> failed)
{
    /// <summary>A message ends before the item that would make it longer. Less than any receiver takes, and than any buffer that is kept.</summary>
    internal const int MessageBytesMax = 1 << 20;

    private readonly Lock _gate = new();
    private LinkBuffer _filling = new();
    private LinkBuffer _sending = new();
    private bool _isSending;
    private bool _over;

    /// <summary>Adds an item; false when the lane is full or over. An item is let into an empty lane whatever its size.</summary>
    internal bool Write<T>(T item, Action<T, LinkBuffer> write)
    {
        lock (_gate)
        {
            if (_over || _filling.Count > bytesMax) return false;
            write(item, _filling);
            return true;
        }
    }

    /// <summary>What has gathered leaves, on this thread as long as the system takes it at once.</summary>
    internal void Flush()
    {
        if (Begin()) _ = SendAsync();
    }

    /// <summary>As <see cref="Flush"/>, when other work that was in line before has been done: it may have more to send.</summary>
    internal void FlushSoon()
    {
        if (Begin()) ThreadPool.UnsafeQueueUserWorkItem(static lane => _ = lane.SendAsync(), this, preferLocal: false);
    }

    /// <summary>Takes no more.</summary>
    internal void Close()
    {
        lock (_gate) _over = true;
    }

    private bool Begin()
    {
        lock (_gate)
        {
            if (_isSending || _over || _filling.Count == 0) return false;
            return _isSending = true;
        }
    }

    private async Task SendAsync()
    {
        try
        {
            while (Swap())
            {
                for (ReadOnlyMemory<byte> rest = _sending.Written; !rest.IsEmpty;)
                {
                    int length = LinkReader.ItemsWithin(rest.Span, MessageBytesMax);
                    await socket.SendAsync(rest[..length], WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None).ConfigureAwait(false);
                    rest = rest[length..];
                }
            }
        }
        catch (Exception error) when (error is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            Close();
            failed(error);
        }
    }

    /// <summary>Makes what has gathered what is sent; false when there is nothing, and then nobody sends.</summary>
    private bool Swap()
    {
        lock (_gate)
        {
            _sending.Clear();
            if (_filling.Count == 0 || _over) return _isSending = false;
            (_filling, _sending) = (_sending, _filling);
            return true;
        }
    }
}
