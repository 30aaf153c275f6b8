using System.Net.WebSockets;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger.Group;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>
/// One client's connection at a coordinator: takes requests, many in a message, and gives answers, many in a message. Bounds: requests under way (policy: <em>refuse newest</em>) and bytes of answers
/// that the client does not take (policy: <em>close</em>, since its answers would be lost).
/// </summary>
internal sealed class ClientSession : ILedgerCaller
{
    /// <summary>Requests under way on one connection.</summary>
    internal const int UnderWayMax = 8_192;

    private const int MessageBytesMax = 4 << 20;
    private const int AnswerBytesMax = 32 << 20;
    private const int PageBytesMax = 2 << 20;

    private readonly WebSocket _socket;
    private readonly RaftHost _host;
    private readonly SendLane _lane;
    private int _underWay;

    internal ClientSession(WebSocket socket, RaftHost host)
    {
        (_socket, _host) = (socket, host);
        _lane = new SendLane(socket, AnswerBytesMax, _ => socket.Abort());
    }

    /// <summary>Serves until the client closes, or the token says stop. Throws what the socket throws and <see cref="LinkFormatException"/>.</summary>
    internal async Task RunAsync(CancellationToken stop)
    {
        LinkSocket receiver = new(_socket, MessageBytesMax);
        try
        {
            while (await receiver.ReceiveAsync(stop).ConfigureAwait(false) is { } message) Take(message.Span);
        }
        finally
        {
            _lane.Close();
        }
    }

    public void Answer(long id, LedgerReply reply)
    {
        Leave();
        Write((id, reply), static (a, to) => ClientFrames.Reply(a.id, a.reply, to));
    }

    public void Answer(long id, LedgerPage<LedgerEntry> page)
    {
        Leave();
        Write((id, Part(page)), static (a, to) => ClientFrames.Page(a.id, a.Item2, to));
    }

    public void Answer(long id, CoordinatorStatus status)
    {
        Leave();
        Write((id, status), static (a, to) => ClientFrames.Status(a.id, a.status, to));
    }

    public void Done(long id)
    {
        Leave();
        Write(id, ClientFrames.Done);
    }

    public void Refuse(long id, LedgerRefusal refusal)
    {
        Leave();
        Write((id, refusal), static (a, to) => ClientFrames.Refused(a.id, a.refusal, to));
    }

    public void Flush() => _lane.Flush();

    private void Take(ReadOnlySpan<byte> message)
    {
        List<HostRequest> requests = [];
        LinkReader reader = new(message);
        bool refused = false;
        while (!reader.IsAtEnd)
        {
            (byte kind, _) = reader.Item(out LinkReader fields);
            HostRequest request;
            try
            {
                request = ClientFrames.ReadRequest(kind, fields, this, _host.Now);
            }
            catch (LedgerFormatException wrong)
            {
                throw new LinkFormatException(wrong.Message, wrong);
            }
            if (Interlocked.Increment(ref _underWay) <= UnderWayMax)
            {
                requests.Add(request);
                continue;
            }
            Refuse(request.Id, new LedgerRefusal(LedgerCertainty.NotTaken, $"{UnderWayMax} requests are under way on this connection", Retry: true));
            refused = true;
        }
        if (refused) _lane.Flush();
        if (requests.Count > 0) _host.Submit(requests);
    }

    /// <summary>The beginning of a part of a list that is too long for a message; the rest is asked for as any next part.</summary>
    private static LedgerPage<LedgerEntry> Part(LedgerPage<LedgerEntry> page)
    {
        long bytes = 0;
        for (int i = 0; i < page.Items.Count - 1; i++)
        {
            bytes += SizeOf(page.Items[i]);
            if (bytes >= PageBytesMax) return new LedgerPage<LedgerEntry>([.. page.Items.Take(i + 1)], page.Items[i].Id);
        }
        return page;
    }

    private static int SizeOf(LedgerEntry entry) => 512 + entry switch
    {
        LedgerEffect effect => effect.Output.Length,
        LedgerValue value => value.Value.Length,
        LedgerMember member => member.Data.Length,
        _ => 0,
    };

    private void Leave() => Interlocked.Decrement(ref _underWay);

    private void Write<T>(T item, Action<T, LinkBuffer> write)
    {
        if (_lane.Write(item, write)) return;
        _lane.Close();
        _socket.Abort();
    }
}
