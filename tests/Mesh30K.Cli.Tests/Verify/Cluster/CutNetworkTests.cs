using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh30K.Cli.Verify.Cluster;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

/// <summary>Real sockets through the proxies.</summary>
public sealed class CutNetworkTests : IAsyncDisposable
{
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(20);

    private readonly EchoServer _one = new();
    private readonly EchoServer _two = new();
    private readonly CutNetwork _network;

    public CutNetworkTests() => _network = new CutNetwork([_one.Address, _two.Address]);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _network.DisposeAsync();
        await _one.DisposeAsync();
        await _two.DisposeAsync();
    }

    [Fact]
    public async Task Bytes_pass_both_ways()
    {
        using Socket socket = await ConnectAsync(0, 1);
        Assert.Equal("hello", await AskAsync(socket, "hello"));
        using Socket between = await ConnectAsync(1, 2);
        Assert.Equal("peer", await AskAsync(between, "peer"));
    }

    [Theory]
    [InlineData(1, 2, 0)]
    [InlineData(2, 1, 1)]
    public async Task What_is_sent_over_a_cut_wire_arrives_when_it_is_healed(int from, int to, int heardMeanwhile)
    {
        using Socket socket = await ConnectAsync(1, 2);
        Assert.Equal("a", await AskAsync(socket, "a"));
        WireName[] cut = [new WireName(from, to)];
        _network.Cut(cut);
        long heard = _two.Heard;
        await socket.SendAsync("b"u8.ToArray(), SocketFlags.None, Stop);
        Task<string> answer = ReceiveAsync(socket, 1);
        // One way: the request arrives and the answer does not, or the request does not arrive at all.
        if (heardMeanwhile > 0) await EventuallyAsync(() => _two.Heard == heard + heardMeanwhile);
        await Assert.ThrowsAsync<TimeoutException>(() => answer.WaitAsync(TimeSpan.FromMilliseconds(200), Stop));
        Assert.Equal(heard + heardMeanwhile, _two.Heard);
        _network.Heal(cut, loses: false);
        Assert.Equal("b", await answer.WaitAsync(Within, Stop));
    }

    [Fact]
    public async Task A_cut_that_loses_resets_the_connection_at_its_end_whoever_opened_it()
    {
        using Socket there = await ConnectAsync(1, 2), back = await ConnectAsync(2, 1), client = await ConnectAsync(0, 2);
        foreach (Socket socket in (Socket[])[there, back, client]) Assert.Equal("a", await AskAsync(socket, "a"));
        WireName[] cut = [new WireName(1, 2)];
        _network.Cut(cut);
        await there.SendAsync("lost"u8.ToArray(), SocketFlags.None, Stop);
        _network.Heal(cut, loses: true);
        await Assert.ThrowsAnyAsync<SocketException>(() => ReceiveAsync(there, 4).WaitAsync(Within, Stop));
        await Assert.ThrowsAnyAsync<SocketException>(() => ReceiveAsync(back, 1).WaitAsync(Within, Stop));
        Assert.Equal("b", await AskAsync(client, "b"));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    public async Task A_connection_begun_over_a_cut_wire_waits_for_it_in_either_direction(int from, int to)
    {
        WireName[] cut = [new WireName(from, to)];
        _network.Cut(cut);
        using Socket socket = await ConnectAsync(1, 2);
        await socket.SendAsync("a"u8.ToArray(), SocketFlags.None, Stop);
        Task<string> answer = ReceiveAsync(socket, 1);
        await Assert.ThrowsAsync<TimeoutException>(() => answer.WaitAsync(TimeSpan.FromMilliseconds(200), Stop));
        Assert.Equal(0, _two.Connections);
        _network.Heal(cut, loses: false);
        Assert.Equal("a", await answer.WaitAsync(Within, Stop));
    }

    [Fact]
    public async Task The_end_of_a_connection_cannot_pass_a_cut_wire_either()
    {
        using Socket socket = await ConnectAsync(1, 2);
        Assert.Equal("a", await AskAsync(socket, "a"));
        WireName[] cut = [new WireName(2, 1)];
        _network.Cut(cut);
        _two.ResetAll();
        Task<string> news = ReceiveAsync(socket, 1);
        await Assert.ThrowsAsync<TimeoutException>(() => news.WaitAsync(TimeSpan.FromMilliseconds(200), Stop));
        _network.Heal(cut, loses: false);
        await Assert.ThrowsAnyAsync<SocketException>(() => news.WaitAsync(Within, Stop));
    }

    [Fact]
    public async Task A_server_that_is_gone_resets_at_once_and_one_that_ends_ends_the_connection()
    {
        using Socket socket = await ConnectAsync(1, 2);
        Assert.Equal("a", await AskAsync(socket, "a"));
        await _two.DisposeAsync();
        await Assert.ThrowsAnyAsync<SocketException>(() => ReceiveAsync(socket, 1).WaitAsync(Within, Stop));
        // On a busy machine the reset is there before the connection is told to be.
        await Assert.ThrowsAnyAsync<SocketException>(async () =>
        {
            using Socket late = await ConnectAsync(1, 2);
            await ReceiveAsync(late, 1).WaitAsync(Within, Stop);
        });
    }

    [Fact]
    public async Task Two_cuts_of_one_wire_need_two_heals()
    {
        using Socket socket = await ConnectAsync(1, 2);
        WireName[] cut = [new WireName(1, 2)];
        _network.Cut(cut);
        _network.Cut(cut);
        _network.Heal(cut, loses: false);
        await socket.SendAsync("a"u8.ToArray(), SocketFlags.None, Stop);
        Task<string> answer = ReceiveAsync(socket, 1);
        await Assert.ThrowsAsync<TimeoutException>(() => answer.WaitAsync(TimeSpan.FromMilliseconds(200), Stop));
        _network.Heal(cut, loses: false);
        Assert.Equal("a", await answer.WaitAsync(Within, Stop));
        Assert.Throws<InvalidOperationException>(() => _network.Heal(cut, loses: false));
    }

    private async Task<Socket> ConnectAsync(int from, int to)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, _network.PortFor(from, to), Stop);
        return socket;
    }

    private static async Task<string> AskAsync(Socket socket, string text)
    {
        await socket.SendAsync(Encoding.UTF8.GetBytes(text), SocketFlags.None, Stop);
        return await ReceiveAsync(socket, text.Length).WaitAsync(Within, Stop);
    }

    /// <summary>So many bytes; an end before them is a reset as well.</summary>
    private static async Task<string> ReceiveAsync(Socket socket, int bytes)
    {
        byte[] buffer = new byte[bytes];
        for (int have = 0; have < bytes;)
        {
            int read = await socket.ReceiveAsync(buffer.AsMemory(have), SocketFlags.None, Stop);
            have += read > 0 ? read : throw new SocketException((int)SocketError.ConnectionReset);
        }
        return Encoding.UTF8.GetString(buffer);
    }

    private static async Task EventuallyAsync(Func<bool> holds)
    {
        using CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        within.CancelAfter(Within);
        while (!holds()) await Task.Delay(5, within.Token);
    }

    /// <summary>Sends back what it hears.</summary>
    private sealed class EchoServer : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly List<Socket> _sockets = [];
        private readonly Task _accepting;
        private long _heard;

        public EchoServer()
        {
            _listener.Start();
            _accepting = AcceptAsync();
        }

        public IPEndPoint Address => (IPEndPoint)_listener.LocalEndpoint;

        public long Heard => Interlocked.Read(ref _heard);

        public int Connections
        {
            get
            {
                lock (_sockets) return _sockets.Count;
            }
        }

        public void ResetAll()
        {
            lock (_sockets)
            {
                foreach (Socket socket in _sockets)
                {
                    socket.LingerState = new LingerOption(true, 0);
                    socket.Dispose();
                }
                _sockets.Clear();
            }
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _accepting;
            ResetAll();
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    Socket socket = await _listener.AcceptSocketAsync(CancellationToken.None);
                    lock (_sockets) _sockets.Add(socket);
                    _ = EchoAsync(socket);
                }
            }
            catch (Exception over) when (over is SocketException or ObjectDisposedException)
            {
                // The listener was stopped.
            }
        }

        private async Task EchoAsync(Socket socket)
        {
            byte[] buffer = new byte[1024];
            try
            {
                int read;
                while ((read = await socket.ReceiveAsync(buffer, SocketFlags.None)) > 0)
                {
                    Interlocked.Add(ref _heard, read);
                    await socket.SendAsync(buffer.AsMemory(0, read), SocketFlags.None);
                }
            }
            catch (Exception over) when (over is SocketException or ObjectDisposedException)
            {
                // The connection was reset.
            }
        }
    }
}
