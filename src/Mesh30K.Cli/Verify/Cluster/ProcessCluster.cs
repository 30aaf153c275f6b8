using System.Net;
using Mesh30K.Cli.Verify.Power;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>A group of coordinators as processes of this machine, with proxies between them and disks that can fail. Disposed, nothing of it runs or is mounted any more. One owner at a time.</summary>
internal sealed class ProcessCluster : ICluster
{
    private const int FindingsMax = 50;

    /// <summary>What a process says whose data another one has.</summary>
    private const string InUse = "is in use by another process";

    private static readonly TimeSpan StatusWithin = TimeSpan.FromMilliseconds(700);
    private static readonly TimeSpan SnapshotWithin = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan DiskNoticedWithin = TimeSpan.FromSeconds(20);

    private readonly string _root;
    private readonly bool _mounts;
    private readonly List<ServerDisk> _disks = [];
    private readonly List<ServerProcess> _processes = [];
    private readonly FaultKind[] _broken;
    private readonly List<string> _findings = [];
    private CutNetwork? _network;
    private LedgerClient? _direct;
    private string _clientsView = "";

    private ProcessCluster(string root, int servers, bool mounts) => (_root, _mounts, _broken) = (root, mounts, new FaultKind[servers + 1]);

    public int Servers => _processes.Count;

    public IReadOnlyList<string> Findings => [.. _findings, .. _processes.Select(p => p.EndedBy).OfType<string>()];

    /// <summary>Makes a group in an empty folder and starts it.</summary>
    /// <param name="mounts">Whether each server gets a disk of its own (<see cref="LoopDisk.WhyNot"/>).</param>
    public static async Task<ProcessCluster> StartAsync(string root, int servers, bool mounts, CancellationToken stop)
    {
        ProcessCluster cluster = new(root, servers, mounts);
        try
        {
            GroupFile group = ClusterFolders.Create(root, servers);
            cluster._network = new CutNetwork([.. group.Servers.Select(s => new IPEndPoint(IPAddress.Loopback, s.Port))]);
            cluster._clientsView = ClusterFolders.MakeView(root, group, 0, cluster._network);
            cluster._direct = LedgerClient.Open(ClusterFolders.Direct(root));
            await cluster.MakeDisksAsync(servers).ConfigureAwait(false);
            foreach (GroupServer server in group.Servers)
                cluster._processes.Add(new ServerProcess(server.Number, ClusterFolders.MakeView(root, group, server.Number, cluster._network), Path.Combine(cluster._disks[server.Number - 1].Folder, "data")));
            await Task.WhenAll(cluster._processes.Select(p => p.StartAsync(!mounts, stop))).ConfigureAwait(false);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public bool CanBreakDisk(FaultKind how) => _disks[0].CanFail(how);

    public ILedger OpenLedger() => LedgerClient.Open(_clientsView);

    public async Task<int?> LeaderAsync(CancellationToken stop)
    {
        CoordinatorStatus?[] all = await Task.WhenAll(Enumerable.Range(1, Servers).Select(s => StatusAsync(s, stop))).ConfigureAwait(false);
        return all.Where(s => s?.Role == RaftRole.Leader).MaxBy(s => s!.Term)?.Server;
    }

    public Task KillAsync(int server)
    {
        SendKill(server);
        return _processes[server - 1].KillAsync();
    }

    public async Task LosePowerAsync(IReadOnlyList<int> servers)
    {
        await StallDisksAsync(servers).ConfigureAwait(false); // all stop at one moment, as near as can be
        foreach (int server in servers) SendKill(server);
        await Task.WhenAll(servers.Select(s => Task.Run(_disks[s - 1].CutPower))).ConfigureAwait(false);
        await Task.WhenAll(servers.Select(KillAsync)).ConfigureAwait(false);
    }

    public Task StallDisksAsync(IReadOnlyList<int> servers) => Task.WhenAll(servers.Select(s => Task.Run(_disks[s - 1].Stall)));

    public void LetDiskGoOn(int server) => _disks[server - 1].GoOn();

    public Task SnapshotAsync(int server, CancellationToken stop) => _direct!.SnapshotAsync(server, SnapshotWithin, stop);

    public async Task StartSecondAsync(int server, CancellationToken stop)
    {
        ServerProcess first = _processes[server - 1];
        if (first.Pid == 0) return;
        using ServerProcess second = first.Another();
        try
        {
            await second.StartAsync(!_mounts, stop).ConfigureAwait(false);
            Find($"a second process of server {server} runs beside the first");
        }
        catch (IOException ended)
        {
            if (!ended.Message.Contains(InUse, StringComparison.Ordinal)) Find($"a second process did not find the data of the first in use: {ended.Message}");
        }
    }

    public async Task StartAsync(int server, CancellationToken stop)
    {
        try
        {
            await Task.Run(_disks[server - 1].PowerOn, stop).ConfigureAwait(false);
            await _processes[server - 1].StartAsync(!_mounts, stop).ConfigureAwait(false);
        }
        catch (IOException failed)
        {
            Find(failed.Message);
        }
    }

    public void Pause(int server) => Signal(server, LinuxCalls.Signal.Stop);

    public void Continue(int server) => Signal(server, LinuxCalls.Signal.Continue);

    public void Cut(IReadOnlyCollection<WireName> wires) => _network!.Cut(wires);

    public void Heal(IReadOnlyCollection<WireName> wires, bool loses) => _network!.Heal(wires, loses);

    public void Reset(IReadOnlyCollection<WireName> wires) => _network!.Reset(wires);

    public async Task BreakDiskAsync(int server, FaultKind how)
    {
        ServerProcess process = _processes[server - 1];
        process.ExpectEnd();
        _broken[server] = how;
        await Task.Run(() => _disks[server - 1].Break(how, process.Pid)).ConfigureAwait(false);
    }

    public async Task MendDiskAsync(int server, CancellationToken stop)
    {
        ServerProcess process = _processes[server - 1];
        // A journal goes on for a while in space that it has allocated ahead; a snapshot needs more than that at once.
        if (_broken[server] == FaultKind.DiskFull && process.Pid != 0) await SnapshotAsync(server, stop).ConfigureAwait(false);
        if (!await process.EndedAsync(DiskNoticedWithin, stop).ConfigureAwait(false)) Find($"server {server} went on for {DiskNoticedWithin.TotalSeconds} s though its disk failed ({_broken[server]}): {process.Said}");
        await process.KillAsync().ConfigureAwait(false);
        await Task.Run(() => _disks[server - 1].Mend(_broken[server]), stop).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (ServerDisk disk in _disks) disk.GoOn(); // who waits for a disk cannot be killed
        foreach (ServerProcess process in _processes) process.Dispose();
        if (_direct is not null) await _direct.DisposeAsync().ConfigureAwait(false);
        if (_network is not null) await _network.DisposeAsync().ConfigureAwait(false);
        foreach (ServerDisk disk in _disks) disk.Dispose();
    }

    private async Task MakeDisksAsync(int servers)
    {
        Task<ServerDisk>[] made = [.. Enumerable.Range(1, servers).Select(s => Task.Run(() => new ServerDisk(_root, s, _mounts)))];
        try
        {
            await Task.WhenAll(made).ConfigureAwait(false);
        }
        finally
        {
            foreach (Task<ServerDisk> disk in made.Where(m => m.IsCompletedSuccessfully)) _disks.Add(await disk.ConfigureAwait(false));
        }
    }

    private void SendKill(int server)
    {
        ServerProcess process = _processes[server - 1];
        if (process.EndedBy is { } ended) Find(ended);
        process.SendKill();
    }

    private void Signal(int server, LinuxCalls.Signal signal)
    {
        int process = _processes[server - 1].Pid;
        if (process > 0) LinuxCalls.Send(process, signal);
    }

    private async Task<CoordinatorStatus?> StatusAsync(int server, CancellationToken stop)
    {
        if (_processes[server - 1].Pid == 0) return null;
        try
        {
            return await _direct!.StatusAsync(server, StatusWithin, stop).ConfigureAwait(false);
        }
        catch (LedgerUnavailableException)
        {
            return null; // it stands still, or is about to end
        }
    }

    private void Find(string what)
    {
        lock (_findings)
        {
            if (_findings.Count < FindingsMax) _findings.Add(what);
        }
    }
}
