using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh30K.Cli.Verify;

/// <summary>
/// What receives the effects of <c>mesh verify effects</c>: a line <c>KEY EXECUTOR WORKER</c> over TCP is a request, the line back its answer. Of keys that begin with <c>h</c> it does the first
/// only, and answers the same to all. It takes a moment before and after it does something, so that senders die in between. Thread-safe.
/// </summary>
internal sealed class EffectSinkServer : IAsyncDisposable
{
    private const int DelayMsMost = 120;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, List<string>> _answers = [];
    private readonly HashSet<string> _heard = [];
    private readonly Lock _gate = new();
    private readonly Random _random;
    private readonly Task _accepting;

    public EffectSinkServer(int seed)
    {
        _random = new Random(seed);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The answers that were given to requests that were done, in their order.</summary>
    public IReadOnlyList<string> Applied(string key)
    {
        lock (_gate) return _answers.TryGetValue(key, out List<string>? answers) ? [.. answers] : [];
    }

    /// <summary>Whether the worker has sent anything.</summary>
    public bool HasHeard(string worker)
    {
        lock (_gate) return _heard.Contains(worker);
    }

    public static bool Honours(string key) => key[0] == 'h';

    /// <summary>Sends a request. Throws <see cref="IOException"/> or <see cref="SocketException"/> when the connection breaks.</summary>
    public static async Task<string> SendAsync(int port, string key, string executor, string worker, CancellationToken cancel)
    {
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, port, cancel).ConfigureAwait(false);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes($"{key} {executor} {worker}\n"), cancel).ConfigureAwait(false);
        using StreamReader reader = new(stream);
        return await reader.ReadLineAsync(cancel).ConfigureAwait(false) ?? throw new IOException("the sink closed the connection");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _listener.Stop();
        await _accepting.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> serving = [];
        try
        {
            while (true)
            {
                serving.RemoveAll(t => t.IsCompleted);
                serving.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token).ConfigureAwait(false)));
            }
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(serving).ConfigureAwait(false);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using (client)
            {
                NetworkStream stream = client.GetStream();
                using StreamReader reader = new(stream);
                if (await reader.ReadLineAsync(_stop.Token).ConfigureAwait(false) is not { } line || line.Split(' ') is not [var key, var executor, var worker]) return;
                lock (_gate) _heard.Add(worker);
                await Task.Delay(Delay(), _stop.Token).ConfigureAwait(false);
                string answer = Do(key, executor);
                await Task.Delay(Delay(), _stop.Token).ConfigureAwait(false);
                await stream.WriteAsync(Encoding.UTF8.GetBytes(answer + "\n"), _stop.Token).ConfigureAwait(false);
            }
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException)
        {
            // The sender was killed: what it asked for was done all the same, if it had come.
        }
    }

    private string Do(string key, string executor)
    {
        lock (_gate)
        {
            if (!_answers.TryGetValue(key, out List<string>? answers)) _answers.Add(key, answers = []);
            else if (Honours(key)) return answers[0];
            answers.Add($"{key} done for {executor}");
            return answers[^1];
        }
    }

    private TimeSpan Delay()
    {
        lock (_gate) return TimeSpan.FromMilliseconds(_random.Next(DelayMsMost));
    }
}
