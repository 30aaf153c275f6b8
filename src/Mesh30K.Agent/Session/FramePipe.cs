using System.Buffers;
using System.Net.WebSockets;
using System.Text.Json;
using Mesh30K.Agent.Identity;
using Mesh30K.Agent.Timing;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Session;

/// <summary>Frames over one WebSocket: signs what goes out, checks what comes in. One reader and one writer at a time.</summary>
internal sealed class FramePipe(WebSocket socket, MeshClock clock, Func<AgentIdentity> identity)
{
    private static readonly TimeSpan FrameLife = TimeSpan.FromSeconds(30);

    /// <summary>Shared by all agents of a process: one signature of the mesh may cover frames to many of them.</summary>
    private static readonly VerifiedRoots Roots = new(256);

    private readonly FrameBatch _batch = new();
    private readonly ArrayBufferWriter<byte> _out = new(4_096);
    private readonly FrameGate _gate = new(identity().MeshId, identity().Id.Value, 0, (key, _) => identity().MeshKey(key), Roots);
    private byte[] _in = new byte[8_192];
    private bool _clockIsSet;
    private long _seq;

    /// <summary>When the last bytes came, on the local monotonic clock.</summary>
    internal long LastReceivedTicks { get; private set; }

    /// <summary>From the first CHALLENGE on the clock is the mesh's own; before it, a frame's own time stands for it.</summary>
    internal void ClockIsSet() => _clockIsSet = true;

    /// <summary>HELLO alone goes without a frame.</summary>
    internal Task SendPlainAsync(WireMessage message, CancellationToken cancel) =>
        socket.SendAsync(MeshCodec.Default.Encode(message), WebSocketMessageType.Text, endOfMessage: true, cancel);

    /// <summary>One frame with as many of the messages as it takes, from the first on; returns how many.</summary>
    internal async ValueTask<int> SendAsync(IReadOnlyList<byte[]> messages, CancellationToken cancel)
    {
        AgentIdentity self = identity();
        Instant now = clock.Now;
        _batch.Clear();
        _ = _batch.Begin(new FrameHeader
        {
            From = self.Id.Value,
            To = self.MeshId,
            Epoch = _gate.Epoch,
            Seq = ++_seq,
            SentAt = now,
            ExpiresAt = now + FrameLife,
            Key = self.Key.PublicKey.Id,
        });
        int taken = 0;
        while (taken < messages.Count && _batch.Fits(messages[taken].Length)) _batch.AddMessage(messages[taken++]);
        _batch.Seal(self.Key);
        _out.ResetWrittenCount();
        _batch.Write(0, _out);
        await socket.SendAsync(_out.WrittenMemory, WebSocketMessageType.Text, endOfMessage: true, cancel).ConfigureAwait(false);
        return taken;
    }

    /// <summary>The messages of the next frame; null when the mesh closed. Throws for what cannot be trusted or read, and for REFUSED.</summary>
    internal async ValueTask<IReadOnlyList<WireMessage>?> ReceiveAsync(CancellationToken cancel)
    {
        int length = 0;
        while (true)
        {
            if (length == _in.Length)
            {
                if (length >= FrameLimits.BytesMax) throw new SessionBrokenException("the mesh sent more than 1 MiB in one frame");
                Array.Resize(ref _in, Math.Min(2 * length, FrameLimits.BytesMax));
            }
            ValueWebSocketReceiveResult part = await socket.ReceiveAsync(_in.AsMemory(length), cancel).ConfigureAwait(false);
            LastReceivedTicks = MeshClock.LocalTicks;
            if (part.MessageType == WebSocketMessageType.Close)
                return socket.CloseStatus == WebSocketCloseStatus.NormalClosure ? null : throw new SessionBrokenException($"the mesh closed the connection: {Words.Short(socket.CloseStatusDescription ?? "")}");
            if (part.MessageType != WebSocketMessageType.Text) throw new SessionBrokenException("the mesh sent a binary message");
            length += part.Count;
            if (part.EndOfMessage) return Open(_in.AsSpan(0, length));
        }
    }

    private List<WireMessage> Open(ReadOnlySpan<byte> frame)
    {
        if (!frame.Contains((byte)'\n')) ThrowPlain(frame);
        OpenedFrame opened = _gate.Open(frame, _clockIsSet ? clock.Now : TimeOf(frame));
        if (opened.Refusal != FrameRefusal.None) throw new SessionBrokenException($"a frame that is not to be trusted: {opened.Why}");
        List<WireMessage> messages = new(opened.Messages.Count);
        foreach (Range range in opened.Messages)
        {
            DecodeResult read = MeshCodec.Default.Decode(frame[range]);
            if (read.IsMessage) messages.Add(read.Message);
            // A newer mesh may say more than this version knows.
            else if (read.Error.Code != DecodeErrorCode.UnknownType) throw new SessionBrokenException($"a message that cannot be read: {read.Error}");
        }
        return messages.Find(message => message is RefusedMessage) is RefusedMessage refused ? throw new SessionRefusedException(refused, signed: true) : messages;
    }

    private static void ThrowPlain(ReadOnlySpan<byte> text)
    {
        if (MeshCodec.Default.Decode(text).Message is RefusedMessage refused) throw new SessionRefusedException(refused, signed: false);
        throw new SessionBrokenException("the mesh sent something that is no frame");
    }

    /// <summary>What the frame says of its own time: enough until CHALLENGE, whose echo of the nonce proves that it is new.</summary>
    private static Instant TimeOf(ReadOnlySpan<byte> frame)
    {
        try
        {
            Utf8JsonReader reader = new(frame[..frame.IndexOf((byte)'\n')]);
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName || !reader.ValueTextEquals("sent_at"u8)) continue;
                if (reader.Read() && reader.TokenType == JsonTokenType.String && reader.TryGetDateTimeOffset(out DateTimeOffset at)) return Instant.From(at);
                break;
            }
        }
        catch (JsonException)
        {
            // The gate says what is wrong with it.
        }
        return default;
    }
}
