using System.Diagnostics;
using Mesh30K.Consistency.Causal;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Channels;

/// <summary>Bounds of a channel on disk.</summary>
public sealed record ChannelStorageOptions
{
    /// <summary>The channel's bounds; its writer is the folder's.</summary>
    public ChannelOptions Channel { get; init; } = new();

    /// <summary>How long to wait for the journal's lock. Default 10 s. A larger value waits longer for a process that hangs.</summary>
    public TimeSpan LockWithin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The journal is compacted when more bytes than this, and than twice its snapshot, have come since. Default 16 MiB; a larger value makes opening slower.</summary>
    public long CompactBytes { get; init; } = 16L << 20;

    /// <summary>The wall clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    internal Instant Now => Instant.From(Clock.GetUtcNow());
}

/// <summary>
/// One process's handle on a channel that several processes share: each step takes the journal's lock, reads what others wrote, decides, makes it
/// durable, and gives the lock back. A process that is killed in between leaves the whole step, or nothing,
/// or its first records: leases that ended, what was completed without what was to be claimed, some of many that were cancelled. Not thread-safe.
/// </summary>
/// <remarks>
/// After an exception from a step the handle is of no more use, because it may have what the journal has not; a step that was refused, and one that did
/// not get the lock, are no such exceptions.
/// </remarks>
public sealed class FolderChannel : IDisposable
{
    /// <summary>How soon a waiting claim looks again at first; then half as often each time, to <see cref="PollMost"/>.</summary>
    private static readonly TimeSpan PollFirst = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan PollMost = TimeSpan.FromMilliseconds(250);

    /// <summary>A node that owns the channel is named after this wait.</summary>
    private static readonly TimeSpan OwnerAskedAfter = TimeSpan.FromMilliseconds(100);

    private readonly ChannelFolder _folder;
    private readonly ChannelStorageOptions _options;
    private readonly JournalFolder _journal;
    private readonly ChannelReplica _replica;
    private readonly Appends _appends;
    private bool _broken;

    private FolderChannel(ChannelFolder folder, ChannelStorageOptions options, JournalFolder journal)
    {
        _folder = folder;
        _options = options;
        _journal = journal;
        _replica = new ChannelReplica(options.Channel with { Writer = folder.Writer });
        _appends = new Appends(journal, _replica);
    }

    /// <summary>Opens a channel. Throws <see cref="JournalException"/> when its journal cannot be used.</summary>
    public static FolderChannel Open(ChannelFolder folder, ChannelStorageOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return new FolderChannel(folder, options ?? new ChannelStorageOptions(), JournalFolder.Open(folder.JournalLocation));
    }

    /// <summary>
    /// Does one command; when it returns, what it changed is durable. Throws <see cref="ChannelAccessException"/> when the lock was not to be had in time,
    /// and <see cref="JournalException"/>.
    /// </summary>
    public ChannelReply Step(ChannelCommand command, CancellationToken cancel = default)
    {
        ObjectDisposedException.ThrowIf(_broken, this);
        Lock(cancel);
        try
        {
            return StepUnderLock(command);
        }
        finally
        {
            _journal.Unlock();
        }
    }

    /// <summary>A claim that waits until something is ready, at most so long: it looks again, seldomer with time, and when something falls due.</summary>
    public async Task<ChannelReply> ClaimAsync(ChannelCommand.Claim claim, TimeSpan wait, CancellationToken cancel = default)
    {
        ChannelReply reply = Step(claim, cancel);
        long from = _options.Clock.GetTimestamp();
        TimeSpan pause = PollFirst;
        while (reply.Outcome == ChannelOutcome.Empty && _options.Clock.GetElapsedTime(from) is var passed && passed < wait)
        {
            TimeSpan left = wait - passed;
            await Task.Delay(left < pause ? left : pause, _options.Clock, cancel).ConfigureAwait(false);
            pause = pause + pause < PollMost ? pause + pause : PollMost;
            if (Read(MayClaim)) reply = Step(claim, cancel);
        }
        return reply;
    }

    /// <summary>Looks at the channel as the journal has it now, without the lock: also while a node owns it. May see a step that is not durable yet.</summary>
    public T Read<T>(Func<Channel, T> look)
    {
        ArgumentNullException.ThrowIfNull(look);
        ObjectDisposedException.ThrowIf(_broken, this);
        _journal.CatchUp(_replica);
        return look(_replica.Channel);
    }

    public void Dispose()
    {
        _broken = true;
        _journal.Dispose();
    }

    private bool MayClaim(Channel channel) => channel.Counts.Ready > 0 || channel.NextDue <= _options.Now;

    private ChannelReply StepUnderLock(ChannelCommand command)
    {
        _broken = true; // until all of it went well
        _journal.CatchUp(_replica);
        _appends.Count = 0;
        ChannelReply reply = _replica.Channel.Step(command, _options.Now, _appends);
        if (_appends.Count > 0)
        {
            _journal.Commit();
            if (_replica.IsCompactionDue(_journal.BytesSinceSnapshot, _options.CompactBytes)) _replica.Compact(_journal);
        }
        _broken = false;
        return reply;
    }

    private void Lock(CancellationToken cancel)
    {
        TimeSpan first = _options.LockWithin < OwnerAskedAfter ? _options.LockWithin : OwnerAskedAfter;
        if (_journal.TryLock(first, cancel)) return;
        if (_folder.OwnerPid() is { } pid && IsAlive(pid))
        {
            throw new ChannelAccessException(
                "channel_owned", $"a node owns the channel {_folder.Name} (process {pid})", "Go through the node: name it with --node URL --key-file FILE. Or stop it first.");
        }
        if (_journal.TryLock(_options.LockWithin - first, cancel)) return;
        throw new ChannelAccessException(
            "channel_busy", $"another process has held the channel {_folder.Name} for {_options.LockWithin.TotalSeconds:0.#} s", "Try again; if it stays so, look for a process that hangs.");
    }

    private static bool IsAlive(int pid)
    {
        try
        {
            using Process process = Process.GetProcessById(pid);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private sealed class Appends(JournalFolder journal, ChannelReplica replica) : IChannelEffects
    {
        public int Count { get; set; }

        public void Persist(byte kind, ReadOnlySpan<byte> record)
        {
            journal.Append(kind, record);
            replica.Added(record.Length);
            Count++;
        }
    }
}
