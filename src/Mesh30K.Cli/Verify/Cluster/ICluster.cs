using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>A group of servers 1 to N under test, and what can be done to it. One owner, who may do things to several servers at once, to each one at a time. A fault is taken back by whoever caused it.</summary>
internal interface ICluster : IAsyncDisposable
{
    int Servers { get; }

    /// <summary>Whether disks can be made to fail in this way here.</summary>
    bool CanBreakDisk(FaultKind how);

    /// <summary>What went wrong that no fault explains, in words: a server that ended by itself, or that did not when its disk failed. At most 50.</summary>
    IReadOnlyList<string> Findings { get; }

    /// <summary>A client's way to the group.</summary>
    ILedger OpenLedger();

    /// <summary>Who leads; null when nobody says so within a short time.</summary>
    Task<int?> LeaderAsync(CancellationToken stop);

    /// <summary>Kills a server with SIGKILL; back when it is dead.</summary>
    Task KillAsync(int server);

    /// <summary>Servers lose power at once: they are killed, and their disks lose what was not synced, also where they stall. Back when they are dead. A disk has power again when its server is started.</summary>
    Task LosePowerAsync(IReadOnlyList<int> servers);

    /// <summary>Disks stand still; back when they do.</summary>
    Task StallDisksAsync(IReadOnlyList<int> servers);

    /// <summary>A disk that stands still goes on.</summary>
    void LetDiskGoOn(int server);

    /// <summary>Asks a server for a snapshot; back when it is made, or when the server could not.</summary>
    Task SnapshotAsync(int server, CancellationToken stop);

    /// <summary>Starts a second process of a running server on the same data, which has to end with that as its reason; back when it is dead.</summary>
    Task StartSecondAsync(int server, CancellationToken stop);

    /// <summary>Starts a dead server; back when it listens.</summary>
    Task StartAsync(int server, CancellationToken stop);

    /// <summary>Lets a server stand still.</summary>
    void Pause(int server);

    /// <summary>Lets it go on.</summary>
    void Continue(int server);

    void Cut(IReadOnlyCollection<WireName> wires);

    void Heal(IReadOnlyCollection<WireName> wires, bool loses);

    void Reset(IReadOnlyCollection<WireName> wires);

    /// <summary>Has every write to a server's disk fail: <see cref="FaultKind.DiskFails"/> or <see cref="FaultKind.DiskFull"/>.</summary>
    Task BreakDiskAsync(int server, FaultKind how);

    /// <summary>Waits until the server has ended by itself, for a bounded time, then lets its disk work again; where the disk is full it is asked for a snapshot, which it has no room for. The server is dead afterwards.</summary>
    Task MendDiskAsync(int server, CancellationToken stop);
}
