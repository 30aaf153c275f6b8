using System.Diagnostics;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Channels;

namespace Mesh30K.Cli.Verify;

/// <summary>Where the processes of one run meet.</summary>
/// <param name="Root">A folder of the run alone.</param>
internal sealed record CrashSite(string Root)
{
    public const string Channel = "crash";
    public const int ChainLength = 10;

    /// <summary>No ended entry may be forgotten before it was checked; compaction happens often.</summary>
    public static ChannelStorageOptions Storage { get; } = new() { Channel = new ChannelOptions { EndedMax = 1_000_000 }, CompactBytes = 16 << 10, LockWithin = TimeSpan.FromSeconds(30) };

    public string Logs => Path.Combine(Root, "logs");

    /// <summary>There when nothing is to be pushed any more.</summary>
    public string Drain => Path.Combine(Root, "drain");
}

/// <summary>
/// One of the processes that are killed: pushes chains, claims, now and then checkpoints, fails or releases, completes, and logs each acknowledgement.
/// Ends when nothing is to be pushed and nothing is open.
/// </summary>
internal sealed class CrashWorker(CrashSite site, string name, int seed)
{
    private const int OpenMost = 160;
    private const int AttemptsMax = 1_000_000; // a holder's death must not fail an entry here
    private static readonly TimeSpan Lease = TimeSpan.FromMilliseconds(400);

    private readonly Random _random = new(seed);

    public async Task RunAsync(CancellationToken stop)
    {
        using FolderChannel channel = FolderChannel.Open(ChannelFolder.FindOrCreate(site.Root, CrashSite.Channel, null), CrashSite.Storage);
        using CrashLog log = new(Path.Combine(site.Logs, name));
        while (true)
        {
            stop.ThrowIfCancellationRequested();
            bool drain = File.Exists(site.Drain);
            long open = channel.Read(c => c.Counts is var n ? n.Waiting + n.Ready + n.Claimed : 0);
            if (drain && open == 0) return;
            if (!drain && open < OpenMost) Push(channel, log);
            long from = Stopwatch.GetTimestamp();
            ChannelReply claim = channel.Step(new ChannelCommand.Claim(name, Lease), stop);
            if (claim.Entries is [var entry]) await DoAsync(channel, log, from, entry, stop).ConfigureAwait(false);
            else await Task.Delay(_random.Next(2, 20), stop).ConfigureAwait(false);
        }
    }

    /// <summary>A while in which a kill hits a holder; now and then longer than the lease.</summary>
    private Task WorkAsync(CancellationToken stop) => Task.Delay(_random.Next(100) == 0 ? Lease + TimeSpan.FromMilliseconds(100) : TimeSpan.FromMilliseconds(_random.Next(15)), stop);

    private void Push(FolderChannel channel, CrashLog log)
    {
        ChannelCommand.Push[] chain = [.. Enumerable.Range(0, CrashSite.ChainLength).Select(i =>
            new ChannelCommand.Push($"task {i}", i == 0 ? [] : [ChannelCommand.PushAll.Entry(i - 1)], AttemptsMax: AttemptsMax))];
        long from = Stopwatch.GetTimestamp();
        foreach (ChannelEntry entry in channel.Step(new ChannelCommand.PushAll(chain)).Entries) log.Add(CrashAct.Push, from, entry);
    }

    private async Task DoAsync(FolderChannel channel, CrashLog log, long from, ChannelEntry entry, CancellationToken stop)
    {
        log.Add(CrashAct.Claim, from, entry, CrashMark.Parse(entry.Checkpoint));
        (Dot id, long token) = (entry.Id, entry.Token);
        int checkpoints = _random.Next(4) == 0 ? _random.Next(1, 3) : 0;
        for (int i = 1; i <= checkpoints; i++)
        {
            CrashMark mark = new(token, i);
            from = Stopwatch.GetTimestamp();
            if (channel.Step(new ChannelCommand.Checkpoint(id, token, mark.ToString(), Lease), stop).Outcome != ChannelOutcome.Ok) return; // another one has it
            log.Add(CrashAct.Checkpoint, from, entry, mark);
            await WorkAsync(stop).ConfigureAwait(false);
        }
        await WorkAsync(stop).ConfigureAwait(false);
        from = Stopwatch.GetTimestamp();
        switch (_random.Next(20))
        {
            case 0:
                channel.Step(new ChannelCommand.Release(id, token), stop);
                break;
            case 1:
                channel.Step(new ChannelCommand.Fail(id, token, "once more", TimeSpan.FromMilliseconds(_random.Next(50))), stop);
                break;
            default:
                if (channel.Step(new ChannelCommand.Complete(id, token, null), stop).Outcome == ChannelOutcome.Ok) log.Add(CrashAct.Complete, from, entry);
                break;
        }
    }
}
