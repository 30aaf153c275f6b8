using System.Net.WebSockets;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger.Group;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>What came over a link in answer to one request; exactly one of these is not null, and <see cref="IsDone"/> says that the server did it.</summary>
internal readonly record struct ClientAnswer(LedgerReply? Reply = null, LedgerPage<LedgerEntry>? Page = null, CoordinatorStatus? Status = null, LedgerRefusal? Refusal = null, bool IsDone = false);

/// <summary>
/// One connection of a client to one coordinator: many requests under way, told apart by their ids, many in one message. When it breaks, what was under way is unknown. Bounded: more than
/// <see cref="UnderWayMax"/> at once are refused as not taken. Thread-safe.
/// </summary>
internal sealed class ClientLink : IAsyncDisposable
{
    internal const int UnderWayMax = 4_096;

    private const int BytesMax = 32 << 20;
    private const int MessageBytesMax = 48 << 20;

    private readonly WebSocket _socket;
    private readonly TimeProvider _clock;
    private readonly SendLane _lane;
    private readonly Lock _gate = new();
    private readonly Dictionary<long, TaskCompletionSource<ClientAnswer>> _underWay = [];
    private readonly CancellationTokenSource _over = new();
    private readonly Task _receiving;
    private string? _broken;
    private long _ids;

    /// <summary>When something came last, or nothing was awaited yet.</summary>
    private long _heardAt;

    internal ClientLink(GroupServer server, WebSocket socket, TimeProvider clock)
    {
        (Server, _socket, _clock) = (server, socket, clock);
        _lane = new SendLane(socket, BytesMax, error => Break(error.GetBaseException().Message));
        _receiving = Task.Run(ReceiveAsync);
    }

    internal GroupServer Server { get; }

    internal bool IsBroken => Volatile.Read(ref _broken) is not null;

    /// <summary>Whether answers are awaited and nothing has come for so long: it is better to ask elsewhere.</summary>
    internal bool IsSilentFor(TimeSpan time)
    {
        lock (_gate) return _underWay.Count > 0 && _clock.GetElapsedTime(Volatile.Read(ref _heardAt)) > time;
    }

    /// <summary>Asks, and waits at most so long. What was not answered by then is unknown; nothing is retried here.</summary>
    internal async Task<ClientAnswer> AskAsync<T>(T asked, Action<(long Id, int DueMs, T Asked), LinkBuffer> write, TimeSpan atMost, CancellationToken cancel)
    {
        if (atMost <= TimeSpan.Zero) return NotTaken($"no time was left to ask server {Server.Number}: connecting took it");
        TaskCompletionSource<ClientAnswer> answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long id;
        bool alone;
        lock (_gate)
        {
            if (_broken is { } why) return NotTaken($"the link to server {Server.Number} is broken: {why}");
            if (_underWay.Count >= UnderWayMax) return NotTaken($"{UnderWayMax} requests are under way on this link");
            id = ++_ids;
            _underWay.Add(id, answered);
            alone = _underWay.Count == 1;
            if (alone) Volatile.Write(ref _heardAt, _clock.GetTimestamp());
        }
        int dueMs = (int)Math.Clamp(atMost.TotalMilliseconds, 1, ClientFrames.DueMsMax);
        if (!_lane.Write((id, dueMs, asked), write))
        {
            Forget(id);
            return NotTaken($"the link to server {Server.Number} is full or broken");
        }
        // Others that were answered just now ask again in a moment: all of theirs in one message.
        if (alone) _lane.Flush();
        else _lane.FlushSoon();
        try
        {
            return await answered.Task.WaitAsync(atMost, _clock, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return Unknown($"server {Server.Number} did not answer within {atMost.TotalSeconds:0.###} s");
        }
        finally
        {
            Forget(id);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Break("this client was closed");
        await _receiving.ConfigureAwait(false);
    }

    private static ClientAnswer NotTaken(string why) => new(Refusal: new LedgerRefusal(LedgerCertainty.NotTaken, why, Retry: true));

    private static ClientAnswer Unknown(string why) => new(Refusal: new LedgerRefusal(LedgerCertainty.Unknown, why, Retry: true));

    private void Forget(long id)
    {
        lock (_gate) _underWay.Remove(id);
    }

    private async Task ReceiveAsync()
    {
        LinkSocket receiver = new(_socket, MessageBytesMax);
        try
        {
            while (await receiver.ReceiveAsync(_over.Token).ConfigureAwait(false) is { } message)
            {
                Volatile.Write(ref _heardAt, _clock.GetTimestamp());
                Take(message.Span);
            }
            Break(_socket.CloseStatusDescription is { Length: > 0 } why ? why : "the server closed it");
        }
        catch (Exception error) when (error is LinkFormatException or LedgerFormatException or WebSocketException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            Break(error.GetBaseException().Message);
        }
        finally
        {
            _socket.Dispose();
        }
    }

    private void Take(ReadOnlySpan<byte> message)
    {
        LinkReader reader = new(message);
        while (!reader.IsAtEnd)
        {
            (byte kind, _) = reader.Item(out LinkReader fields);
            long id = fields.Number();
            ClientAnswer answer = (ClientFrames.Answered)kind switch
            {
                ClientFrames.Answered.Reply => new ClientAnswer(Reply: LedgerWire.ReadReply(fields.Rest)),
                ClientFrames.Answered.Page => new ClientAnswer(Page: LedgerWire.ReadPage(fields.Rest)),
                ClientFrames.Answered.Status => new ClientAnswer(Status: ClientFrames.ReadStatus(fields.Rest)),
                ClientFrames.Answered.Done => new ClientAnswer(IsDone: true),
                ClientFrames.Answered.Refused => new ClientAnswer(Refusal: ClientFrames.ReadRefusal(ref fields)),
                _ => throw new LinkFormatException($"an answer of the unknown kind {kind}: of a newer mesh?"),
            };
            TaskCompletionSource<ClientAnswer>? asked;
            lock (_gate) _underWay.Remove(id, out asked);
            asked?.TrySetResult(answer); // null: it came too late
        }
    }

    private void Break(string why)
    {
        TaskCompletionSource<ClientAnswer>[] lost;
        lock (_gate)
        {
            if (_broken is not null) return;
            Volatile.Write(ref _broken, why);
            lost = [.. _underWay.Values];
            _underWay.Clear();
        }
        _lane.Close();
        _socket.Abort();
        _over.Cancel();
        foreach (TaskCompletionSource<ClientAnswer> asked in lost) asked.TrySetResult(Unknown($"the link to server {Server.Number} broke: {why}"));
    }
}
