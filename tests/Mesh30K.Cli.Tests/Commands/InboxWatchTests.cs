using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Mesh30K.Node.Api;
using Mesh30K.Node.Api.People;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Tests.Commands;

/// <summary><c>mesh inbox --watch</c>: what it tells, once each, and what it does while its node is silent.</summary>
public sealed class InboxWatchTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);
    private static readonly Instant Now = Instant.From(new DateTimeOffset(2026, 11, 21, 12, 0, 0, TimeSpan.Zero));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>A node of the test's answers each look in turn; null is a connection that breaks within the answer.</summary>
    [Fact]
    public async Task What_is_new_due_soon_or_over_is_told_once_and_silence_too()
    {
        InboxItemView b = Item("b"), c = Item("c"), before = Item("before") with { State = "answered", Answer = "READY" };
        await using ScriptedNode node = new(
            [b],
            [b, before],
            [c, b, before],
            [c with { Reminders = 1 }, b, before],
            [c with { Reminders = 1 }, b, before],
            null,
            null,
            [Item("d") with { State = "withdrawn" }, c with { Reminders = 1, State = "expired" }, b with { State = "answered", Answer = "CONFLICT", Text = "no" }, before]);
        using TemporaryFolder folder = new();
        string key = Path.Combine(folder.FullName, "operator.key");
        _ = OperatorKey.LoadOrCreate(key);
        await using RunningWatch watch = new(folder.FullName, "--as", "ana", "--node", node.Address, "--key-file", key);

        await watch.ToldAsync("new: d");
        Assert.Equal(ExitCode.Ok, await watch.StopAsync());
        Assert.Equal(
            [
                "new: c  ana  SYNC  1m 0s left  {\"ask\":\"c?\"}",
                "due soon: c  ana  SYNC  1m 0s left, reminded 1×  {\"ask\":\"c?\"}",
                "mesh: no node answers",
                "mesh: the node answers again",
                "answered: b of ana",
                "expired: c of ana",
                "new: d  ana  SYNC  withdrawn  {\"ask\":\"d?\"}",
            ],
            watch.Told.Select(line => line.StartsWith("mesh: no node answers", StringComparison.Ordinal) ? line[..21] : line));
        Assert.Equal("/v1/inbox?person=ana", node.Asked[0]);
        Assert.All(node.Asked.Skip(1), path => Assert.Equal("/v1/inbox?person=ana&all=true", path));
        Assert.Contains("b  ana  SYNC", watch.Listed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_running_node_asks_of_a_person_is_told_as_it_comes_and_when_it_is_answered()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        Assert.Equal(ExitCode.Ok, (await node.RunAsync("agent", "enrol", "ana", "--person", "--capability", "approve")).Exit);
        for (long from = Environment.TickCount64; (await node.RunAsync("agents", "ana")).Exit != ExitCode.Ok; await Task.Delay(50, Cancel))
            Assert.True(Environment.TickCount64 - from < Generous.TotalMilliseconds, "ana did not join");
        await using RunningWatch watch = new(node.Folder.FullName, "--as", "ana");
        await watch.ListedAsync("Nothing waits.");

        Task<CommandLineRun> asked = node.RunAsync(
            "cascade", "--strategy", "parallel", "--capability", "approve", "--planner", "fire-now", "--window", "20000", "--timeout", "60000", "--ttl", "60000", "--payload", "{\"ask\":\"pay?\"}", "--json");
        string told = await watch.ToldAsync("new: ");
        Assert.Contains("  ana  ", told, StringComparison.Ordinal);
        Assert.EndsWith("{\"ask\":\"pay?\"}", told, StringComparison.Ordinal);
        string id = told["new: ".Length..].Split(' ')[0];
        Assert.Equal(ExitCode.Ok, (await node.RunAsync("inbox", "answer", id, "--conflict", "the budget is spent")).Exit);
        await watch.ToldAsync($"answered: {id} of ana");
        JsonElement operation = (await asked).Json();
        Assert.Equal(1, operation.GetProperty("counts").GetProperty("conflict").GetInt32());

        // What she said stands where conflicts are listed, too.
        string[] roster = ["operation", operation.GetProperty("operation_id").GetString()!, "--roster", "--outcome", "conflict"];
        Assert.Contains("OTHER: the budget is spent", string.Join(' ', (await node.RunAsync(roster)).Out.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        Assert.Equal("the budget is spent", (await node.RunAsync([.. roster, "--json"])).Json().GetProperty("roster")[0].GetProperty("why").GetString());
        Assert.Equal(ExitCode.Ok, await watch.StopAsync());
    }

    private static InboxItemView Item(string id)
    {
        string payload = $"{{\"ask\":\"{id}?\"}}";
        return new InboxItemView(id, "ana", "01KA4C3X5T2V9Q8R7S6P5N4M3K", "SYNC", payload, payload.Length, Now, Now + TimeSpan.FromSeconds(60), 0, "open", null, null, null);
    }

    /// <summary>The command in this process, until it is stopped as by Ctrl-C.</summary>
    private sealed class RunningWatch : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        private readonly Lines _out = new();
        private readonly Lines _error = new();
        private readonly Task<ExitCode> _running;

        internal RunningWatch(string folder, params string[] args)
        {
            CliContext context = new() { Out = _out, Error = _error, Environment = _ => null, WorkingDirectory = folder };
            _running = Task.Run(() => MeshCommandLine.Create(context).RunAsync(["inbox", "--watch", .. args], _stop.Token), CancellationToken.None);
        }

        internal IReadOnlyList<string> Told => _error.All;

        internal string Listed => string.Join('\n', _out.All);

        /// <summary>Waits for the first line that begins so.</summary>
        internal Task<string> ToldAsync(string begin) => UntilAsync(() => Told.FirstOrDefault(line => line.StartsWith(begin, StringComparison.Ordinal)), begin);

        internal Task<string> ListedAsync(string part) => UntilAsync(() => Listed.Contains(part, StringComparison.Ordinal) ? part : null, part);

        internal async Task<ExitCode> StopAsync()
        {
            await _stop.CancelAsync();
            return await _running.WaitAsync(Generous, CancellationToken.None);
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            _stop.Dispose();
        }

        private async Task<string> UntilAsync(Func<string?> found, string what)
        {
            for (long from = Environment.TickCount64; ; await Task.Delay(20, Cancel))
            {
                if (found() is { } line) return line;
                Assert.False(_running.IsCompleted || Environment.TickCount64 - from > Generous.TotalMilliseconds, $"no '{what}' in:\n{Listed}\n{string.Join('\n', Told)}");
            }
        }
    }

    /// <summary>What is written, in lines, for readers on other threads.</summary>
    private sealed class Lines : TextWriter
    {
        private readonly StringBuilder _text = new();

        public override Encoding Encoding => Encoding.UTF8;

        internal IReadOnlyList<string> All
        {
            get
            {
                lock (_text) return _text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            }
        }

        public override void Write(char value)
        {
            lock (_text) _text.Append(value);
        }
    }

    /// <summary>Answers requests in their order as scripted, and all later ones as the last.</summary>
    private sealed class ScriptedNode : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly IReadOnlyList<InboxItemView>?[] _script;
        private readonly List<string> _asked = [];
        private readonly Task _serving;

        internal ScriptedNode(params IReadOnlyList<InboxItemView>?[] script)
        {
            _script = script;
            _listener.Start();
            _serving = ServeAsync();
        }

        internal string Address => $"http://{_listener.LocalEndpoint}";

        internal IReadOnlyList<string> Asked
        {
            get
            {
                lock (_asked) return [.. _asked];
            }
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _serving;
        }

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    using TcpClient client = await _listener.AcceptTcpClientAsync(CancellationToken.None);
                    await AnswerAsync(client.GetStream());
                }
            }
            catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }

        private async Task AnswerAsync(NetworkStream stream)
        {
            using StreamReader reader = new(stream, Encoding.ASCII, leaveOpen: true);
            string? first = await reader.ReadLineAsync(CancellationToken.None);
            while (await reader.ReadLineAsync(CancellationToken.None) is { Length: > 0 })
            {
                // the headers do not matter
            }
            int number;
            lock (_asked)
            {
                number = _asked.Count;
                _asked.Add(first?.Split(' ')[1] ?? "");
            }
            if (_script[Math.Min(number, _script.Length - 1)] is not { } items)
            {
                // Broken within the answer: one that breaks before it is tried again by the client's own HTTP stack, and nobody hears of it.
                await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"u8.ToArray(), CancellationToken.None);
                return;
            }
            byte[] body = JsonSerializer.SerializeToUtf8Bytes(new InboxView(Now, items.Count, items, 0, 0), InboxViews.Default.InboxView);
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n"), CancellationToken.None);
            await stream.WriteAsync(body, CancellationToken.None);
        }
    }
}
