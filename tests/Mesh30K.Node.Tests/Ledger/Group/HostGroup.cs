using System.Collections.Concurrent;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Storage;
using Mesh30K.Node.Tests.Runtime;
using Mesh30K.Protocol.Identity;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Tests.Ledger.Group;

/// <summary>Hosts of one group in this process, with real journals and a network of method calls, on which any way can be cut.</summary>
internal sealed class HostGroup : IAsyncDisposable
{
    internal static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-hosts-");
    private readonly ConcurrentDictionary<(int From, int To), bool> _cut = [];
    private readonly ConcurrentDictionary<int, RaftHost> _hosts = [];
    private readonly ConcurrentBag<BlockingCollection<byte[]>> _ways = [];
    private readonly RaftMembership _first;
    private readonly RaftHostOptions _options;

    internal HostGroup(int servers, RaftHostOptions? options = null)
    {
        _first = RaftMembership.Of([.. Enumerable.Range(1, servers).Select(n => new ServerId(n))]);
        _options = options ?? Options();
        for (int n = 1; n <= servers; n++) Start(n);
    }

    internal ConcurrentDictionary<int, TestDisk> Disks { get; } = [];

    internal ConcurrentDictionary<int, TestClock> Clocks { get; } = [];

    /// <summary>What each server's links have carried, by type of message.</summary>
    internal ConcurrentDictionary<(int From, string Type), int> Sent { get; } = [];

    internal RaftHost this[int server] => _hosts[server];

    internal IEnumerable<int> Servers => _hosts.Keys.Order();

    internal static RaftHostOptions Options(Func<RaftOptions, RaftOptions>? with = null)
    {
        RaftOptions raft = new() { ElectionMin = TimeSpan.FromMilliseconds(400), ElectionSpread = TimeSpan.FromMilliseconds(400), Heartbeat = TimeSpan.FromMilliseconds(40) };
        return new RaftHostOptions { Raft = with?.Invoke(raft) ?? raft };
    }

    internal string FolderOf(int server) => Path.Combine(_folder.FullName, $"server-{server}");

    internal void Start(int server, RaftMembership? first = null)
    {
        RaftHostOptions options = _options with { Clock = Clocks.GetOrAdd(server, _ => new TestClock()) };
        TestDisk disk = Disks[server] = new TestDisk();
        _hosts[server] = RaftHost.Start(new ServerId(server), first ?? _first, FolderOf(server), options, host => new Wires(this, host), files: disk);
    }

    internal async Task StopAsync(int server)
    {
        Assert.True(_hosts.TryRemove(server, out RaftHost? host));
        await host.DisposeAsync();
    }

    internal void Cut(int server)
    {
        foreach (int other in Enumerable.Range(1, 9)) _cut[(server, other)] = _cut[(other, server)] = true;
    }

    internal void Heal() => _cut.Clear();

    /// <summary>The server that leads, as soon as exactly one of these says so in the highest term.</summary>
    internal async Task<int> LeaderAsync(params int[] among)
    {
        int leader = 0;
        await UntilAsync(
            async () =>
            {
                List<CoordinatorStatus> all = [];
                foreach (int server in among.Length > 0 ? among : [.. Servers]) all.Add(await StatusAsync(server));
                CoordinatorStatus[] leaders = [.. all.Where(s => s.Role == RaftRole.Leader && s.Term == all.Max(a => a.Term))];
                leader = leaders.Length == 1 ? leaders[0].Server : 0;
                return leader > 0;
            },
            "a leader");
        return leader;
    }

    internal async Task<CoordinatorStatus> StatusAsync(int server) =>
        (CoordinatorStatus)await AskAsync(server, (caller, due) => new HostRequest.Status(caller, 1, due));

    /// <summary>One request: its reply, its page, its status, true when it was done, or its refusal.</summary>
    internal Task<object> AskAsync(int server, Func<ILedgerCaller, Instant, HostRequest> request)
    {
        RaftHost host = this[server];
        TestCaller caller = new();
        host.Submit([request(caller, host.Now + Generous)]);
        return caller.Answered.WaitAsync(Generous, TestContext.Current.CancellationToken);
    }

    internal Task<object> AskAsync(int server, LedgerCommand command) => AskAsync(server, (caller, due) => new HostRequest.Ask(caller, 1, due, command));

    internal Task<object> PutAsync(int server, string key, string value) => AskAsync(server, new LedgerCommand.SetKey(key, Encoding.UTF8.GetBytes(value), null));

    /// <summary>A linearizable read of a value; null when there is none. Tries until somebody leads.</summary>
    internal async Task<string?> GetAsync(string key, params int[] among)
    {
        object answer = new();
        await UntilAsync(
            async () =>
            {
                answer = await AskAsync(await LeaderAsync(among), (caller, due) => new HostRequest.Read(caller, 1, due, new LedgerQuery.Find(LedgerEntryKind.Value, new LedgerKey("", key))));
                return answer is LedgerPage<LedgerEntry>;
            },
            $"a read of {key}");
        return ((LedgerPage<LedgerEntry>)answer).Items.Count == 0 ? null : Encoding.UTF8.GetString(((LedgerValue)((LedgerPage<LedgerEntry>)answer).Items[0]).Value.Span);
    }

    /// <summary>On a thread of its own: what a test holds for a while must not take a thread from the pool, which has as few as processors.</summary>
    internal static Task<T> ApartAsync<T>(Func<T> what) => Task.Factory.StartNew(what, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    internal static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        late.CancelAfter(Generous);
        while (!await holds())
        {
            Assert.False(late.IsCancellationRequested, $"{what} did not come about within {Generous}");
            await Task.Delay(2, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (TestDisk disk in Disks.Values) disk.Unblock();
        foreach (int server in Servers.ToArray()) await StopAsync(server);
        foreach (BlockingCollection<byte[]> way in _ways) way.CompleteAdding();
        _folder.Delete(recursive: true);
    }

    /// <summary>
    /// Each way has a thread of its own, since a host may do a round on the thread that brings it something: one server's disk that a test holds must keep neither another server nor the thread pool.
    /// </summary>
    private sealed class Wires(HostGroup group, RaftHost host) : IRaftTransport
    {
        private readonly RaftMessageCodec _codec = new();
        private readonly Dictionary<int, BlockingCollection<byte[]>> _ways = [];

        public void Send(RaftMessage message)
        {
            int from = message.From.Number, to = message.To.Number;
            if (group._cut.ContainsKey((from, to)) || !group._hosts.ContainsKey(to)) return;
            System.Buffers.ArrayBufferWriter<byte> bytes = new();
            _codec.Encode(message, bytes);
            group.Sent.AddOrUpdate((from, message.GetType().Name), 1, static (_, n) => n + 1);
            if (!_ways.TryGetValue(to, out BlockingCollection<byte[]>? way))
            {
                _ways.Add(to, way = new BlockingCollection<byte[]>(10_000));
                group._ways.Add(way);
                new Thread(() => Carry(to, way)) { IsBackground = true }.Start();
            }
            way.TryAdd(bytes.WrittenSpan.ToArray()); // one that is full drops the newest
        }

        private void Carry(int to, BlockingCollection<byte[]> way)
        {
            foreach (byte[] bytes in way.GetConsumingEnumerable())
            {
                if (group._cut.ContainsKey((host.Self.Number, to)) || !group._hosts.TryGetValue(to, out RaftHost? other)) continue;
                other.HearClock(host.Self, host.WallNow);
                other.Receive((RaftMessageCodec.Decode(bytes), bytes.Length));
            }
        }

        public void Flush()
        {
            // each message leaves at once
        }

        public bool IsLinked(ServerId server) => !group._cut.ContainsKey((host.Self.Number, server.Number)) && group._hosts.ContainsKey(server.Number);
    }
}

/// <summary>Keeps the one answer that comes.</summary>
internal sealed class TestCaller : ILedgerCaller
{
    private readonly TaskCompletionSource<object> _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal Task<object> Answered => _answered.Task;

    public void Answer(long id, LedgerReply reply) => _answered.SetResult(reply);

    public void Answer(long id, LedgerPage<LedgerEntry> page) => _answered.SetResult(page);

    public void Answer(long id, CoordinatorStatus status) => _answered.SetResult(status);

    public void Done(long id) => _answered.SetResult(true);

    public void Refuse(long id, LedgerRefusal refusal) => _answered.SetResult(refusal);

    public void Flush()
    {
        // one answer
    }
}

/// <summary>A disk that can be made to wait in its syncs, or to fail.</summary>
internal sealed class TestDisk : JournalFiles
{
    private readonly ManualResetEventSlim _open = new(initialState: true);
    private int _waiting;

    internal volatile bool Fails;

    /// <summary>Syncs that wait now.</summary>
    internal int Waiting => Volatile.Read(ref _waiting);

    internal void Block() => _open.Reset();

    internal void Unblock() => _open.Set();

    public override void Sync(SafeFileHandle file)
    {
        Interlocked.Increment(ref _waiting);
        _open.Wait();
        Interlocked.Decrement(ref _waiting);
        if (Fails) throw new IOException("the disk is broken");
    }
}

/// <summary>A clock whose date can be moved. A stall of the machine deposes no leader by it.</summary>
internal sealed class TestClock : PacedClock
{
    private long _ahead;
    private long _readings;

    /// <summary>How often the monotonic clock was read: each round reads it some times.</summary>
    internal long Readings => Interlocked.Read(ref _readings);

    internal void Jump(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);

    public override long GetTimestamp()
    {
        Interlocked.Increment(ref _readings);
        return base.GetTimestamp();
    }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + new TimeSpan(Interlocked.Read(ref _ahead));
}

/// <summary>A clock that stands until it is moved.</summary>
internal sealed class HeldClock : TimeProvider
{
    private long _ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    internal void Move(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}
