using System.IO.Pipelines;
using System.Net.WebSockets;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Ledger.Links;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Ledger.Links;

/// <summary>Servers that do what a test says with each request, over WebSockets in memory.</summary>
internal sealed class ScriptedServers(Func<int, HostRequest, LinkBuffer, bool> script) : ILinkDialer
{
    /// <summary>Servers that take no connection.</summary>
    internal HashSet<int> Down { get; } = [];

    /// <summary>What each request was, and at which server, in the order of their coming.</summary>
    internal List<(int Server, HostRequest Request)> Heard { get; } = [];

    internal static readonly GroupFile Group = new("0123456789", [new GroupServer(1, "one", 1), new GroupServer(2, "two", 2), new GroupServer(3, "three", 3)]);

    internal static readonly LedgerClientOptions Options = new() { PauseMin = TimeSpan.FromMilliseconds(1), PauseMax = TimeSpan.FromMilliseconds(5), AnswerAtMost = TimeSpan.FromMilliseconds(300) };

    internal LedgerClient Client(TimeProvider? clock = null) => new(Group, this, Options with { Clock = clock ?? TimeProvider.System });

    public Task<WebSocket> DialAsync(GroupServer to, TimeSpan atMost, TimeSpan keepAlive, CancellationToken cancel)
    {
        lock (Heard)
            if (Down.Contains(to.Number)) throw new IOException($"server {to.Number} is down");
        Pipe there = new(), back = new();
        WebSocket client = WebSocket.CreateFromStream(new Duplex(back.Reader.AsStream(), there.Writer.AsStream()), new WebSocketCreationOptions());
        WebSocket server = WebSocket.CreateFromStream(new Duplex(there.Reader.AsStream(), back.Writer.AsStream()), new WebSocketCreationOptions { IsServer = true });
        _ = Task.Run(() => ServeAsync(to.Number, server), cancel);
        return Task.FromResult(client);
    }

    private async Task ServeAsync(int number, WebSocket socket)
    {
        LinkSocket receiver = new(socket, 1 << 20);
        try
        {
            while (await receiver.ReceiveAsync(CancellationToken.None) is { } message)
            {
                LinkBuffer answers = new();
                bool goesOn = true;
                foreach (HostRequest request in Read(message.Span))
                {
                    lock (Heard) Heard.Add((number, request));
                    goesOn &= script(number, request, answers);
                }
                if (answers.Count > 0) await socket.SendAsync(answers.Written, WebSocketMessageType.Binary, true, CancellationToken.None);
                if (goesOn) continue;
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "scripted", CancellationToken.None);
                return;
            }
        }
        catch (Exception gone) when (gone is WebSocketException or IOException or InvalidOperationException)
        {
            // the client has gone
        }
    }

    private static List<HostRequest> Read(ReadOnlySpan<byte> message)
    {
        List<HostRequest> requests = [];
        LinkReader reader = new(message);
        while (!reader.IsAtEnd)
        {
            (byte kind, _) = reader.Item(out LinkReader fields);
            requests.Add(ClientFrames.ReadRequest(kind, fields, new OneAnswer(), new Instant(0)));
        }
        return requests;
    }

    internal static bool Ok(HostRequest request, LinkBuffer to)
    {
        ClientFrames.Reply(request.Id, new LedgerReply(LedgerOutcome.Ok, null), to);
        return true;
    }

    internal static bool Refuse(HostRequest request, LinkBuffer to, LedgerCertainty certainty, int leader = 0)
    {
        ClientFrames.Refused(request.Id, new LedgerRefusal(certainty, "scripted", Retry: true, new Consistency.Strong.Raft.ServerId(leader)), to);
        return true;
    }

    private sealed class Duplex(Stream reads, Stream writes) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush() => writes.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => writes.FlushAsync(cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => reads.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => reads.ReadAsync(buffer, cancellationToken);

        public override void Write(byte[] buffer, int offset, int count) => writes.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => writes.WriteAsync(buffer, cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            reads.Dispose();
            writes.Dispose();
        }
    }
}
