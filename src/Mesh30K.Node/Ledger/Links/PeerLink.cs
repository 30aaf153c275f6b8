using System.Net.WebSockets;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol.Timing;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>
/// The way to one other server, one way: what it says comes over a link of its own. Dials as long as it is used, with a pause that doubles from 20 ms to 1 s and is jittered. What does not fit is
/// dropped (policy: <em>drop newest</em>; Raft sends again), and so is what comes while there is no connection. Thread-safe.
/// </summary>
internal sealed class PeerLink : IAsyncDisposable
{
    private const int BytesMax = 16 << 20;
    private static readonly TimeSpan DialAtMost = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(2);
    private static readonly Backoff Pauses = new(TimeSpan.FromMilliseconds(20), TimeSpan.FromSeconds(1));

    private readonly int _server;
    private readonly Func<GroupServer?> _address;
    private readonly ILinkDialer _dialer;
    private readonly Action<string> _note;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private volatile SendLane? _lane;
    private string? _told;

    internal PeerLink(int server, Func<GroupServer?> address, ILinkDialer dialer, Action<string> note)
    {
        (_server, _address, _dialer, _note) = (server, address, dialer, note);
        _running = Task.Run(RunAsync);
    }

    internal bool IsLinked => _lane is not null;

    internal void Send(RaftMessage message, RaftMessageCodec codec) =>
        _lane?.Write((message, codec), static (item, to) =>
        {
            to.Begin(PeerFrames.Message);
            item.codec.Encode(item.message, to);
            to.End();
        });

    internal void Flush(long wallTicks)
    {
        if (_lane is not { } lane) return;
        lane.Write(wallTicks, static (ticks, to) => to.Begin(PeerFrames.Clock).Number(ticks).End());
        lane.Flush();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        int failures = 0;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await LinkAsync(() => failures = 0).ConfigureAwait(false);
                await Task.Delay(Pauses.Pause(failures++, Random.Shared), _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task LinkAsync(Action linked)
    {
        if (_address() is not { } to)
        {
            Tell("no address of it is known here: see mesh ledger members");
            return;
        }
        try
        {
            using WebSocket socket = await _dialer.DialAsync(to, DialAtMost, KeepAlive, _stop.Token).ConfigureAwait(false);
            using CancellationTokenSource broken = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            _lane = new SendLane(socket, BytesMax, _ => socket.Abort());
            linked();
            _told = null;
            // Nothing comes this way but the end.
            if (await new LinkSocket(socket, 4_096).ReceiveAsync(_stop.Token).ConfigureAwait(false) is null) Tell(socket.CloseStatusDescription ?? "it closed the link");
        }
        catch (Exception error) when (error is LinkFormatException or WebSocketException or IOException or HttpRequestException || (error is OperationCanceledException && !_stop.IsCancellationRequested))
        {
            Tell(error is LinkFormatException ? error.Message : error.GetBaseException().Message);
        }
        finally
        {
            _lane?.Close();
            _lane = null;
        }
    }

    /// <summary>Once for each reason, not for each try.</summary>
    private void Tell(string why)
    {
        if (_told == why || _stop.IsCancellationRequested) return;
        _told = why;
        _note($"no link to server {_server}: {why}");
    }
}

/// <summary>Items between servers: docs/protocol/ledger-link.md.</summary>
internal static class PeerFrames
{
    /// <summary>A message of Raft.</summary>
    internal const byte Message = 1;

    /// <summary>The sender's wall clock, in ticks since 1970.</summary>
    internal const byte Clock = 2;
}
