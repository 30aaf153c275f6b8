using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>
/// A TCP proxy on loopback for the connections that one server opens to another. While a direction is cut, what was sent in it is held and no more is taken, as TCP over
/// a cut wire does, also the news that a connection ended; a new connection needs both directions. One owner; its connections run on the thread pool.
/// </summary>
internal sealed class CutProxy : IAsyncDisposable
{
    private const int BufferBytes = 32 << 10;

    /// <summary>Connections at once; a newer one is refused by a reset.</summary>
    private const int ConnectionsMax = 256;

    private static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(5);

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly IPEndPoint _target;
    private readonly Wire _there;
    private readonly Wire _back;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Connection, Task> _connections = new();
    private readonly Task _accepting;

    /// <param name="target">Where the connections go on to.</param>
    /// <param name="there">From who connects to who listens.</param>
    /// <param name="back">The other direction.</param>
    public CutProxy(IPEndPoint target, Wire there, Wire back)
    {
        (_target, _there, _back) = (target, there, back);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections that are open or wait for the wire.</summary>
    public int Open => _connections.Count;

    /// <summary>Resets every connection there is: what is held in it is lost.</summary>
    public void Reset()
    {
        foreach (Connection connection in _connections.Keys) connection.Abort();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _listener.Stop();
        await _accepting.ConfigureAwait(false);
        Reset();
        await Task.WhenAll(_connections.Values).ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket near;
            try
            {
                near = await _listener.AcceptSocketAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (Exception over) when (over is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                continue; // the connection ended before it was taken
            }
            Connection connection = new(near, _target, _there, _back);
            if (_connections.Count >= ConnectionsMax)
            {
                connection.Abort();
                continue;
            }
            Task running = connection.RunAsync(_stop.Token);
            _connections[connection] = running;
            _ = running.ContinueWith(_ => _connections.TryRemove(connection, out Task? ended), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    /// <summary>A connection and its other half.</summary>
    private sealed class Connection(Socket near, IPEndPoint target, Wire there, Wire back)
    {
        private readonly Socket _far = new(SocketType.Stream, ProtocolType.Tcp);

        public async Task RunAsync(CancellationToken stop)
        {
            try
            {
                await there.WhenOpenAsync(stop).ConfigureAwait(false);
                await back.WhenOpenAsync(stop).ConfigureAwait(false);
                using (CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(stop))
                {
                    within.CancelAfter(ConnectWithin);
                    await _far.ConnectAsync(target, within.Token).ConfigureAwait(false);
                }
                near.NoDelay = _far.NoDelay = true;
                await Task.WhenAll(PumpAsync(near, _far, there, back, stop), PumpAsync(_far, near, back, there, stop)).ConfigureAwait(false);
                near.Dispose();
                _far.Dispose();
            }
            catch (Exception over) when (over is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                Abort();
            }
        }

        /// <summary>Ends both halves with a reset, as a host does that does not know the connection any more.</summary>
        public void Abort()
        {
            foreach (Socket socket in (Socket[])[near, _far])
            {
                try
                {
                    socket.LingerState = new LingerOption(enable: true, seconds: 0);
                }
                catch (Exception over) when (over is SocketException or ObjectDisposedException)
                {
                    continue; // it has ended, or has never begun
                }
                finally
                {
                    socket.Dispose();
                }
            }
        }

        private async Task PumpAsync(Socket from, Socket to, Wire wire, Wire other, CancellationToken stop)
        {
            byte[] buffer = new byte[BufferBytes];
            while (true)
            {
                int bytes;
                try
                {
                    bytes = await from.ReceiveAsync(buffer, SocketFlags.None, stop).ConfigureAwait(false);
                }
                catch (SocketException)
                {
                    await EndAsync(wire, stop).ConfigureAwait(false);
                    return;
                }
                await wire.WhenOpenAsync(stop).ConfigureAwait(false);
                try
                {
                    if (bytes == 0)
                    {
                        to.Shutdown(SocketShutdown.Send);
                        return;
                    }
                    for (int sent = 0; sent < bytes;) sent += await to.SendAsync(buffer.AsMemory(sent, bytes - sent), SocketFlags.None, stop).ConfigureAwait(false);
                }
                catch (SocketException)
                {
                    await EndAsync(other, stop).ConfigureAwait(false);
                    return;
                }
            }
        }

        /// <summary>One side is gone. The other learns it when that news can pass.</summary>
        private async Task EndAsync(Wire news, CancellationToken stop)
        {
            await news.WhenOpenAsync(stop).ConfigureAwait(false);
            Abort();
        }
    }
}
