using System.Buffers.Text;
using System.Globalization;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Links;

/// <summary>
/// A raw client, written from docs/protocol/links.md: of the product it uses Ed25519 alone. What it may do wrong, tests do: every part of a frame can be changed before it is sent.
/// </summary>
internal sealed class TestAgent(string name, Ed25519PrivateKey key, MeshIdentity mesh, MeshClock clock) : IAsyncDisposable
{
    private readonly ClientWebSocket _socket = new();
    private readonly byte[] _buffer = new byte[2 << 20];
    private readonly Queue<JsonElement> _read = new();
    private long _seq;
    private long _meshSeq;

    public string Name => name;

    public Ed25519PrivateKey Key { get; set; } = key;

    public long Epoch { get; set; }

    /// <summary>The mesh's nonce of the challenge.</summary>
    public string? Challenge { get; private set; }

    /// <summary>The last frame as it went out.</summary>
    public string LastFrame { get; private set; } = "";

    /// <summary>How many frames came, and how many messages in the largest.</summary>
    public int LargestFrame { get; private set; }

    public WebSocketCloseStatus? CloseStatus => _socket.CloseStatus;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static string Now(MeshClock clock, double plusMs = 0) => clock.Now.PlusMs(plusMs).ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    public Task OpenAsync(Uri node) => _socket.ConnectAsync(new UriBuilder(node) { Scheme = "ws", Path = "/v1/agents/connect" }.Uri, Cancel);

    /// <summary>HELLO, CHALLENGE, PROOF.</summary>
    public async Task ConnectAsync(Uri node)
    {
        await OpenAsync(node);
        await HelloAsync();
        await ProveAsync();
    }

    public async Task HelloAsync()
    {
        await SendTextAsync($$"""{"type":"HELLO","version":1,"agent_id":"{{name}}","nonce":"abcdefghijklmnop"}""");
        JsonElement challenge = await ReadAsync();
        Assert.True(challenge.GetProperty("type").GetString() == "CHALLENGE", challenge.ToString());
        Assert.Equal("abcdefghijklmnop", challenge.GetProperty("echo").GetString());
        Challenge = challenge.GetProperty("nonce").GetString();
    }

    public Task ProveAsync() => SendAsync($$"""{"type":"PROOF","echo":"{{Challenge}}"}""");

    public Task AckAsync(string message, int state = 1, string more = "") => SendAsync(
        $$"""{"type":"ACK","message_id":"{{message}}","agent_id":"{{name}}","trinary_state":{{state}},"actual_arrival_time":"{{Now(clock)}}","processing_time_ms":2.5,"queue_wait_ms":1.5{{more}}}""");

    public Task SendAsync(params IReadOnlyList<string> messages) => SendFrameAsync(messages);

    /// <summary>Signs and sends; what is given replaces what would be right.</summary>
    public async Task SendFrameAsync(IReadOnlyList<string> messages, long? seq = null, long? epoch = null, string? from = null, string? to = null, double lifeMs = 30_000, double sentAgoMs = 0, bool badSignature = false)
    {
        seq ??= ++_seq;
        string sentAt = Now(clock, -sentAgoMs), expiresAt = Now(clock, lifeMs - sentAgoMs), keyId = "k-" + Convert.ToHexStringLower(SHA256.HashData(Key.PublicKey.Span))[..16];
        (from, to, epoch) = (from ?? name, to ?? mesh.MeshId, epoch ?? Epoch);
        StringBuilder text = new();
        foreach (string line in (string[])["mesh30k-frame-v1", "FRAME", from, to, $"{epoch}", $"{seq}", sentAt, expiresAt, keyId, $"{messages.Count}"]) text.Append(line).Append('\n');
        foreach (string message in messages) text.Append(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(message)))).Append('\n');
        byte[] root = SHA256.HashData([0, .. Encoding.UTF8.GetBytes(text.ToString())]);
        byte[] signature = new byte[64];
        Key.Sign([.. "mesh30k-root-v1\n"u8, .. root], signature);
        if (badSignature) signature[5] ^= 1;
        string header =
            $$"""{"type":"FRAME","from":"{{from}}","to":"{{to}}","epoch":{{epoch}},"seq":{{seq}},"sent_at":"{{sentAt}}","expires_at":"{{expiresAt}}","key":"{{keyId}}","sig":"{{Base64Url.EncodeToString(signature)}}"}""";
        LastFrame = string.Join('\n', [header, .. messages]);
        await SendTextAsync(LastFrame);
    }

    public Task SendTextAsync(string text) => SendBytesAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text);

    public Task SendBytesAsync(byte[] bytes, WebSocketMessageType type) => _socket.SendAsync(bytes, type, endOfMessage: true, Cancel);

    /// <summary>The next message of the mesh; its frame is checked as the document says. Type CLOSED when the mesh closed.</summary>
    public async Task<JsonElement> ReadAsync()
    {
        while (_read.Count == 0)
        {
            using CancellationTokenSource most = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
            most.CancelAfter(TimeSpan.FromSeconds(30));
            int count = 0;
            WebSocketReceiveResult part;
            do
            {
                part = await _socket.ReceiveAsync(new ArraySegment<byte>(_buffer, count, _buffer.Length - count), most.Token);
                if (part.MessageType == WebSocketMessageType.Close)
                {
                    if (_socket.State == WebSocketState.CloseReceived) await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, most.Token);
                    return JsonElement.Parse($$"""{"type":"CLOSED","reason":"{{part.CloseStatusDescription}}"}""");
                }
                count += part.Count;
            }
            while (!part.EndOfMessage);
            string[] lines = Encoding.UTF8.GetString(_buffer, 0, count).Split('\n');
            Check(lines);
            LargestFrame = Math.Max(LargestFrame, lines.Length - 1);
            foreach (string line in lines[1..]) _read.Enqueue(JsonElement.Parse(line));
        }
        return _read.Dequeue();
    }

    /// <summary>Reads until a message of this type, and gives it; fails when the connection ends first.</summary>
    public async Task<JsonElement> ReadUntilAsync(string type)
    {
        while (true)
        {
            JsonElement message = await ReadAsync();
            string? found = message.GetProperty("type").GetString();
            if (found == type) return message;
            Assert.True(found is not ("CLOSED" or "REFUSED" or "BYE"), $"waited for {type}, got {message}");
        }
    }

    /// <summary>Reads to the end; gives the code of REFUSED, "bye: …" of BYE, or "closed: …" when there was no such word.</summary>
    public async Task<string> ReadEndAsync()
    {
        string? word = null;
        while (true)
        {
            JsonElement message = await ReadAsync();
            switch (message.GetProperty("type").GetString())
            {
                case "REFUSED": word = message.GetProperty("code").GetString(); break;
                case "BYE": word = "bye: " + message.GetProperty("reason").GetString(); break;
                case "CLOSED": return word ?? "closed: " + message.GetProperty("reason").GetString();
            }
        }
    }

    /// <summary>Closes its side.</summary>
    public Task CloseAsync() => _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Cancel);

    /// <summary>The connection breaks without a word, as under kill -9.</summary>
    public void Break() => _socket.Abort();

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return default;
    }

    private void Check(string[] lines)
    {
        JsonElement header = JsonElement.Parse(lines[0]);
        string Text(string field) => header.GetProperty(field).GetString()!;
        long epoch = header.GetProperty("epoch").GetInt64(), seq = header.GetProperty("seq").GetInt64();
        if (Epoch == 0) Epoch = epoch;
        Assert.Equal((mesh.MeshId, name, Epoch, _meshSeq + 1), (Text("from"), Text("to"), epoch, seq));
        _meshSeq = seq;
        StringBuilder text = new();
        foreach (string line in (string[])["mesh30k-frame-v1", "FRAME", mesh.MeshId, name, $"{epoch}", $"{seq}", Text("sent_at"), Text("expires_at"), Text("key"), $"{lines.Length - 1}"]) text.Append(line).Append('\n');
        foreach (string message in lines[1..]) text.Append(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(message)))).Append('\n');
        byte[] node = SHA256.HashData([0, .. Encoding.UTF8.GetBytes(text.ToString())]);
        if (header.TryGetProperty("path", out JsonElement path))
        {
            foreach (JsonElement entry in path.EnumerateArray())
            {
                string step = entry.GetString()!;
                byte[] other = Base64Url.DecodeFromChars(step.AsSpan(1));
                node = SHA256.HashData(step[0] == 'l' ? [1, .. other, .. node] : [1, .. node, .. other]);
            }
        }
        Assert.True(mesh.Signing.PublicKey.Verify([.. "mesh30k-root-v1\n"u8, .. node], Base64Url.DecodeFromChars(Text("sig"))), "the mesh's signature does not hold");
    }
}
