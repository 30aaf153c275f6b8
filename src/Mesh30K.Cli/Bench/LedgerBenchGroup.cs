using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Mesh30K.Cli.Bench.Layers;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;

namespace Mesh30K.Cli.Bench;

/// <summary>A group of coordinators as processes of this build on free ports of loopback, and a client of it.</summary>
internal sealed class LedgerBenchGroup : IAsyncDisposable
{
    private static readonly TimeSpan StartWithin = TimeSpan.FromSeconds(60);

    private readonly string _folder;
    private readonly List<Process> _processes = [];

    private LedgerBenchGroup(string folder)
    {
        _folder = folder;
        Client = LedgerClient.Open(Path.Combine(folder, "group"));
    }

    internal LedgerClient Client { get; }

    internal static async Task<LedgerBenchGroup> StartAsync(string folder, int servers, CancellationToken stop)
    {
        GroupServer[] places = [.. FreePorts(servers).Select((port, i) => new GroupServer(i + 1, "127.0.0.1", port))];
        Directory.CreateDirectory(folder);
        _ = GroupFolder.Create(Path.Combine(folder, "group"), places);
        LedgerBenchGroup group = new(folder);
        try
        {
            foreach (GroupServer server in places)
            {
                string number = server.Number.ToString(CultureInfo.InvariantCulture);
                group._processes.Add(LayersRun.Start(folder, "coordinator", "run", "--group", "group", "--id", number, "--data", $"data-{number}"));
            }
            long from = Stopwatch.GetTimestamp();
            while (true)
            {
                LedgerAnswer answer = await group.Client.AskAsync(new LedgerCommand.Tick(), TimeSpan.FromSeconds(5), stop).ConfigureAwait(false);
                if (answer.Certainty == LedgerCertainty.Answered) return group;
                if (Stopwatch.GetElapsedTime(from) > StartWithin || group._processes.Any(p => p.HasExited))
                    throw new CliException(new CliError(ExitCode.NotAchieved, "group_failed", $"the coordinators did not start: {answer.Why}"));
            }
        }
        catch
        {
            await group.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    internal LedgerClient NewClient() => LedgerClient.Open(Path.Combine(_folder, "group"));

    /// <summary>How many batches the leader has synced.</summary>
    internal async Task<long> SyncsAsync(CancellationToken stop)
    {
        foreach (GroupServer server in Client.Group.Servers)
        {
            CoordinatorStatus status = await Client.StatusAsync(server.Number, TimeSpan.FromSeconds(10), stop).ConfigureAwait(false);
            if (status.Role == RaftRole.Leader) return status.Syncs;
        }
        throw new CliException(new CliError(ExitCode.NotAchieved, "no_leader", "no coordinator leads", "Is the machine too busy? Try again when it is not."));
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync().ConfigureAwait(false);
        foreach (Process process in _processes)
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync().ConfigureAwait(false);
            process.Dispose();
        }
    }

    private static int[] FreePorts(int count)
    {
        TcpListener[] listeners = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener listener in listeners) listener.Start();
        int[] ports = [.. listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port)];
        foreach (TcpListener listener in listeners) listener.Dispose();
        return ports;
    }
}
