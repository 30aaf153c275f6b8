using System.Text;
using Mesh30K.Cli.Verify.Cluster;
using Mesh30K.Cli.Verify.Power;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Tests.Verify.Cluster;

/// <summary>A leader whose disk fails ends itself; the group goes on without it, and takes it back when its disk works again. Real processes and disks.</summary>
public sealed class FailingDiskTests
{
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(30);

    /// <param name="mounts">Whether the disk is an ext4 of its own; else a limit of the size of files stands in for it, as where nothing can be mounted.</param>
    [Theory]
    [InlineData(nameof(FaultKind.DiskFull), false)]
    [InlineData(nameof(FaultKind.DiskFull), true)]
    [InlineData(nameof(FaultKind.DiskFails), true)]
    public async Task A_leader_whose_disk_fails_stops_and_the_group_goes_on(string fault, bool mounts)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the limit of files is Linux's");
        Assert.SkipWhen(mounts && LoopDisk.WhyNot() is not null, mounts ? LoopDisk.WhyNot() ?? "" : "");
        CancellationToken stop = TestContext.Current.CancellationToken;
        FaultKind how = Enum.Parse<FaultKind>(fault);
        using TemporaryFolder folder = new();
        await using ProcessCluster cluster = await ProcessCluster.StartAsync(folder.FullName, 3, mounts, stop);
        await using ILedger ledger = cluster.OpenLedger();
        Assert.True(cluster.CanBreakDisk(how));
        await PutAsync(ledger, "before");
        int leader = await LeaderAsync(cluster, stop);

        await cluster.BreakDiskAsync(leader, how);
        // A server without anything new has nothing to make a snapshot of, and notices a failing disk at its next write.
        Task mended = cluster.MendDiskAsync(leader, stop);
        while (!mended.IsCompleted) _ = await ledger.AskAsync(Set("amid", "x"), TimeSpan.FromSeconds(2), stop);
        await mended;
        await PutAsync(ledger, "after");
        await cluster.StartAsync(leader, stop);

        foreach (string key in (string[])["before", "after"])
            Assert.Single((await ledger.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Value, new LedgerKey("", key)), Within, stop)).Items);
        Assert.Empty(cluster.Findings);

        LedgerClient client = (LedgerClient)ledger;
        int leads = await LeaderAsync(cluster, stop);
        Assert.Equal(leads, (await client.StatusAsync(leads, Within, stop)).Server);
        // A deadline that has passed when the connection is there is no answer, not a bug; a long run met it on a busy machine.
        await Assert.ThrowsAsync<LedgerUnavailableException>(() => client.StatusAsync(leads, TimeSpan.FromTicks(1), stop));
    }

    private static LedgerCommand.SetKey Set(string key, string value) => new(key, Encoding.UTF8.GetBytes(value), null);

    /// <summary>Tries until it is taken, within a bound.</summary>
    private static async Task PutAsync(ILedger ledger, string key)
    {
        LedgerAnswer answer;
        int tries = 0;
        do answer = await ledger.AskAsync(Set(key, key), TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        while (answer.Certainty != LedgerCertainty.Answered && ++tries < 6);
        Assert.Equal(LedgerCertainty.Answered, answer.Certainty);
    }

    private static async Task<int> LeaderAsync(ProcessCluster cluster, CancellationToken stop)
    {
        using CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(stop);
        within.CancelAfter(Within);
        while (true)
        {
            if (await cluster.LeaderAsync(within.Token) is { } leader) return leader;
            await Task.Delay(20, within.Token);
        }
    }
}
