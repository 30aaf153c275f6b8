using Mesh30K.Cli.Verify.Cluster;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

/// <summary>How a group under test can be wrong.</summary>
public enum PlantedFault
{
    None,

    /// <summary>Every 30th put is acknowledged and forgotten.</summary>
    WriteLost,

    /// <summary>A leader's death takes the last writes with it, though they were acknowledged.</summary>
    WritesLostWithLeader,

    /// <summary>Writes are acknowledged though disks stall, and a loss of power takes those with it.</summary>
    AcknowledgedUnsynced,

    /// <summary>A read now and then tells what was there a moment ago.</summary>
    StaleRead,

    /// <summary>A put now and then is said not to have been taken, and is.</summary>
    TakenAfterAll,

    /// <summary>A compare-and-set now and then does not compare.</summary>
    NoCompare,

    /// <summary>The group never serves again after the last fault.</summary>
    NeverHeals,

    /// <summary>Values vanish when the clients have ended.</summary>
    LostAtTheEnd,
}

/// <summary>A group in one process: one machine, and which of its servers are up and not cut off. What no majority can do is not taken.</summary>
internal sealed class FakeCluster(int servers, PlantedFault planted) : ICluster
{
    /// <summary>Of the first commands the replies of some are lost; later ones are needed in a row.</summary>
    private const int RepliesLostUntil = 3_000;

    private readonly Lock _gate = new();
    private readonly HashSet<int> _down = [];
    private readonly List<LedgerCommand> _taken = [];
    private LedgerMachine _machine = new();
    private LedgerMachine _before = new();
    private int _steps;
    private int _cuts;
    private int _faults;
    private int? _synced;

    public List<string> Done { get; } = [];

    public int Servers => servers;

    public bool CanBreakDisk(FaultKind how) => true;

    public IReadOnlyList<string> Findings => [];

    private int? Leader => servers - _down.Count <= servers / 2 || (planted == PlantedFault.NeverHeals && _faults > 0) ? null : Enumerable.Range(1, servers).First(s => !_down.Contains(s));

    public ILedger OpenLedger() => new Ledger(this);

    public Task<int?> LeaderAsync(CancellationToken stop)
    {
        lock (_gate) return Task.FromResult(Leader);
    }

    public Task KillAsync(int server)
    {
        lock (_gate)
        {
            bool leads = Leader == server;
            Down(server, $"kill {server}");
            if (planted == PlantedFault.WritesLostWithLeader && leads) Rebuild(_taken.Count - 10);
        }
        return Task.CompletedTask;
    }

    public async Task LosePowerAsync(IReadOnlyList<int> servers)
    {
        foreach (int server in servers) await KillAsync(server);
        lock (_gate)
        {
            if (planted == PlantedFault.AcknowledgedUnsynced && _synced is { } synced) Rebuild(synced);
            Done.Add($"power off {string.Join(' ', servers)}");
            _synced = null;
        }
    }

    public Task StallDisksAsync(IReadOnlyList<int> servers)
    {
        lock (_gate)
        {
            _synced ??= _taken.Count;
            Done.Add($"stall {string.Join(' ', servers)}");
        }
        return Task.CompletedTask;
    }

    public void LetDiskGoOn(int server)
    {
        lock (_gate)
        {
            _synced = null;
            Done.Add($"go on {server}");
        }
    }

    public Task SnapshotAsync(int server, CancellationToken stop)
    {
        lock (_gate) Done.Add($"snapshot {server}");
        return Task.CompletedTask;
    }

    public Task StartSecondAsync(int server, CancellationToken stop)
    {
        lock (_gate) Done.Add($"second {server}");
        return Task.CompletedTask;
    }

    /// <summary>What a server waits for before it has started.</summary>
    public Func<Task> Starting { get; init; } = static () => Task.CompletedTask;

    public async Task StartAsync(int server, CancellationToken stop)
    {
        await Starting().WaitAsync(stop);
        lock (_gate) Rise(server, $"start {server}");
    }

    public void Pause(int server) => Down(server, $"pause {server}");

    public void Continue(int server)
    {
        lock (_gate) Rise(server, $"continue {server}");
    }

    public void Cut(IReadOnlyCollection<WireName> wires) => Note($"cut {wires.Count}", 1);

    public void Heal(IReadOnlyCollection<WireName> wires, bool loses) => Note($"heal {wires.Count}", -1);

    public void Reset(IReadOnlyCollection<WireName> wires) => Note($"reset {wires.Count}", 0);

    public Task BreakDiskAsync(int server, FaultKind how)
    {
        Down(server, $"{how} {server}");
        return Task.CompletedTask;
    }

    public Task MendDiskAsync(int server, CancellationToken stop)
    {
        Note($"mend {server}", 0);
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Nothing is cut, nobody is down.</summary>
    public bool IsHealed => _cuts == 0 && _down.Count == 0;

    private void Note(string what, int cuts)
    {
        lock (_gate)
        {
            _cuts += cuts;
            Done.Add(what);
            _faults++;
        }
    }

    private void Down(int server, string what)
    {
        lock (_gate)
        {
            Assert.True(_down.Add(server), what + ": it is down already");
            Done.Add(what);
            _faults++;
        }
    }

    private void Rise(int server, string what)
    {
        Assert.True(_down.Remove(server), what + ": it is up already");
        Done.Add(what);
    }

    private void Rebuild(int commands)
    {
        _machine = new LedgerMachine();
        _taken.RemoveRange(Math.Max(0, commands), _taken.Count - Math.Max(0, commands));
        foreach (LedgerCommand command in _taken) _machine.Apply(command, default);
    }

    private sealed class Ledger(FakeCluster group) : ILedger
    {
        public async Task<LedgerAnswer> AskAsync(LedgerCommand command, TimeSpan deadline, CancellationToken cancel = default)
        {
            await Task.Yield();
            lock (group._gate)
            {
                if (group.Leader is null) return new LedgerAnswer(LedgerCertainty.NotTaken, null, "no majority");
                if (group._synced is not null && !planted(PlantedFault.AcknowledgedUnsynced)) return new LedgerAnswer(LedgerCertainty.NotTaken, null, "the disks stall");
                group._steps++;
                bool isPut = command is LedgerCommand.SetKey { Expected: null };
                bool now = group._steps % 30 == 0;
                if (planted(PlantedFault.WriteLost) && isPut && now)
                    return new LedgerAnswer(LedgerCertainty.Answered, new LedgerReply(LedgerOutcome.Ok, null));
                if (planted(PlantedFault.NoCompare) && command is LedgerCommand.SetKey { Expected: not null } set && group._steps % 3 == 0) command = set with { Expected = null };
                if (group._steps % 10 == 0) group._before = group.Copy();
                LedgerReply reply = group._machine.Apply(command, default(Instant));
                group._taken.Add(command);
                if (planted(PlantedFault.TakenAfterAll) && isPut && now) return new LedgerAnswer(LedgerCertainty.NotTaken, null, "it says");
                return group._steps < RepliesLostUntil && group._steps % 97 == 0 ? new LedgerAnswer(LedgerCertainty.Unknown, null, "the reply was lost") : new LedgerAnswer(LedgerCertainty.Answered, reply);
            }

            bool planted(PlantedFault fault) => group.Planted == fault;
        }

        public async Task<LedgerPage<LedgerEntry>> ReadAsync(LedgerQuery query, TimeSpan deadline, CancellationToken cancel = default)
        {
            await Task.Yield();
            lock (group._gate)
            {
                if (group.Leader is null) throw new LedgerUnavailableException("no majority");
                if (group.Planted == PlantedFault.LostAtTheEnd && query is LedgerQuery.List) group.Rebuild(group._taken.Count * 9 / 10);
                bool isStale = group.Planted == PlantedFault.StaleRead && ++group._steps % 20 == 0;
                return (isStale ? group._before : group._machine).Look(query);
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private PlantedFault Planted => planted;

    private LedgerMachine Copy()
    {
        System.Buffers.ArrayBufferWriter<byte> image = new();
        _machine.Snapshot(image);
        return LedgerMachine.Restore(image.WrittenSpan);
    }
}
