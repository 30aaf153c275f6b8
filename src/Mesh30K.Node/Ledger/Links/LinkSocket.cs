using System.Net.WebSockets;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>Receives whole messages of a bounded size. One reader at a time.</summary>
internal sealed class LinkSocket(WebSocket socket, int bytesMax)
{
    private const int KeepBytesMax = 1 << 20;

    private byte[] _bytes = new byte[16 << 10];

    /// <summary>
    /// The next message, valid until the next call; null when the other side has closed. Throws <see cref="LinkFormatException"/> for a message that is too long or text, else what the
    /// socket throws.
    /// </summary>
    internal async ValueTask<ReadOnlyMemory<byte>?> ReceiveAsync(CancellationToken cancel)
    {
        if (_bytes.Length > KeepBytesMax) _bytes = new byte[16 << 10]; // a rare large message must not stay
        int have = 0;
        while (true)
        {
            ValueWebSocketReceiveResult got = await socket.ReceiveAsync(_bytes.AsMemory(have), cancel).ConfigureAwait(false);
            if (got.MessageType == WebSocketMessageType.Close) return null;
            if (got.MessageType != WebSocketMessageType.Binary) throw new LinkFormatException("a text message; this link takes binary ones");
            have += got.Count;
            if (got.EndOfMessage) return _bytes.AsMemory(0, have);
            if (have < _bytes.Length) continue;
            if (have >= bytesMax) throw new LinkFormatException($"a message of more than {bytesMax} bytes");
            Array.Resize(ref _bytes, Math.Min(2 * _bytes.Length, bytesMax));
        }
    }
}
