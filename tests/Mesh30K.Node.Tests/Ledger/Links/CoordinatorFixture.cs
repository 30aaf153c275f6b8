using System.Net;
using System.Net.Sockets;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Ledger.Links;
using Mesh30K.Node.Tests.Runtime;

namespace Mesh30K.Node.Tests.Ledger.Links;

/// <summary>Coordinators of one group on loopback, in this process, over real TLS. A stall of the machine deposes no leader.</summary>
internal sealed class CoordinatorFixture : IAsyncDisposable
{
    internal static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-coordinators-");
    private readonly Dictionary<int, CoordinatorServer> _servers = [];

    internal CoordinatorFixture(int servers) =>
        Group = GroupFolder.Create(Folder, [.. FreePorts(servers).Select((port, i) => new GroupServer(i + 1, "127.0.0.1", port))]);

    internal string Folder => Path.Combine(_folder.FullName, "group");

    internal GroupFile Group { get; }

    internal List<string> Notes { get; } = [];

    internal IEnumerable<int> Running => _servers.Keys;

    internal static async Task<CoordinatorFixture> StartAsync(int servers)
    {
        CoordinatorFixture group = new(servers);
        for (int n = 1; n <= servers; n++) await group.StartAsync(n, listen: null);
        return group;
    }

    internal async Task StartAsync(int number, GroupServer? listen)
    {
        RaftOptions raft = new() { ElectionMin = TimeSpan.FromMilliseconds(600), ElectionSpread = TimeSpan.FromMilliseconds(600) };
        _servers[number] = await CoordinatorServer.StartAsync(
            number,
            new CoordinatorOptions { GroupDirectory = Folder, DataDirectory = Path.Combine(_folder.FullName, $"data-{number}"), Listen = listen, Host = new RaftHostOptions { Raft = raft, Clock = new PacedClock() }, Note = Note },
            TestContext.Current.CancellationToken);
    }

    internal CoordinatorServer this[int number] => _servers[number];

    internal async Task StopAsync(int number)
    {
        _ = _servers.Remove(number, out CoordinatorServer? server);
        await server!.DisposeAsync();
    }

    internal LedgerClient Client(LedgerClientOptions? options = null) => LedgerClient.Open(Folder, options);

    internal static LedgerCommand Put(string key, string value) => new LedgerCommand.SetKey(key, System.Text.Encoding.UTF8.GetBytes(value), null);

    internal static async Task<string?> GetAsync(LedgerClient client, string key)
    {
        LedgerPage<LedgerEntry> page = await client.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Value, new LedgerKey("", key)), Generous, TestContext.Current.CancellationToken);
        return page.Items.Count == 0 ? null : System.Text.Encoding.UTF8.GetString(((LedgerValue)page.Items[0]).Value.Span);
    }

    internal static int[] FreePorts(int count)
    {
        TcpListener[] listeners = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener listener in listeners) listener.Start();
        int[] ports = [.. listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port)];
        foreach (TcpListener listener in listeners) listener.Dispose();
        return ports;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (CoordinatorServer server in _servers.Values) await server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private void Note(string line)
    {
        lock (Notes) Notes.Add(line);
    }
}
