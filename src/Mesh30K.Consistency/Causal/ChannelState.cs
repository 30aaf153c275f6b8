using Mesh30K.Consistency.Time;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Causal;

/// <summary>
/// The entries of a channel and the structures that find the next one. Each method is one change, the same for <see cref="Channel.Step"/> and for a
/// replayed record; that it is allowed was checked before.
/// </summary>
internal sealed class ChannelState
{
    private readonly Dictionary<string, ChannelNode> _keys = new(StringComparer.Ordinal);
    private readonly EntryHeap<ByNumber> _readyForAnyone = new();
    private readonly Dictionary<string, EntryHeap<ByNumber>> _readyByAgent = new(StringComparer.Ordinal);
    private readonly EntryHeap<ByDue> _due = new();
    private readonly EntryHeap<ByEnd> _retirable = new();
    private readonly long[] _counts = new long[(int)Phase.Cancelled + 1];

    public ChannelWriters Writers { get; } = new();

    /// <summary>The last fencing token that was given.</summary>
    public long TokenLast { get; set; }

    /// <summary>How many times an entry has ended.</summary>
    public long Endings { get; set; }

    /// <summary>How many entries have been retired.</summary>
    public long Retired { get; set; }

    /// <summary>A snapshot that is being read; null when the state is whole.</summary>
    public SnapshotLoad? Loading { get; set; }

    public long Open => _counts[(int)Phase.Waiting] + _counts[(int)Phase.Delayed] + _counts[(int)Phase.Ready] + _counts[(int)Phase.Claimed];

    public long Ended => _counts[(int)Phase.Done] + _counts[(int)Phase.Failed] + _counts[(int)Phase.Cancelled];

    public int Retirable => _retirable.Count;

    public ChannelNode? FirstDue => _due.First;

    public ChannelCounts Counts => new(
        _counts[(int)Phase.Waiting] + _counts[(int)Phase.Delayed], _counts[(int)Phase.Ready], _counts[(int)Phase.Claimed],
        _counts[(int)Phase.Done], _counts[(int)Phase.Failed], _counts[(int)Phase.Cancelled], Retired);

    public bool IsEmpty => Writers.Ascending.Count == 0 && Loading is null;

    public ChannelNode? Find(Dot id) => Writers.Find(id.Writer) is { } writer && writer.Entries.TryGetValue(id.Number, out ChannelNode? node) ? node : null;

    public ChannelNode? FindKey(string key) => _keys.GetValueOrDefault(key);

    /// <summary>How that entry is or was; null when it never was, or that is forgotten.</summary>
    public EntryStatus? StatusOf(Dot id)
    {
        if (Writers.Find(id.Writer) is not { } writer) return null;
        return writer.Entries.TryGetValue(id.Number, out ChannelNode? node) ? node.Status : writer.Retired.Find(id.Number);
    }

    /// <summary>The ready entry with the lowest number of those for that agent or for anyone.</summary>
    public ChannelNode? FirstReady(string agent)
    {
        ChannelNode? anyones = _readyForAnyone.First;
        ChannelNode? own = _readyByAgent.GetValueOrDefault(agent)?.First;
        return own is null || (anyones is not null && anyones.Id < own.Id) ? anyones : own;
    }

    /// <summary>All entries, ascending: a copy.</summary>
    public ChannelNode[] All()
    {
        List<ChannelNode> nodes = new((int)(Open + Ended));
        foreach (ChannelWriter writer in Writers.Ascending) nodes.AddRange(writer.Entries.Values);
        nodes.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        return [.. nodes];
    }

    /// <summary>Adds an entry whose dependencies are known; an ended one with its end.</summary>
    public void Add(ChannelNode node)
    {
        Register(node);
        Writers.See(node.Id);
        foreach (Dot seen in node.Seen.Dots) Writers.See(seen);
        if (!node.IsOpen)
        {
            node.EndedOrder = ++Endings;
            Place(node);
            return;
        }
        Depend(node);
        node.Phase = node.Unmet > 0 ? Phase.Waiting : Phase.Ready;
        Place(node);
    }

    public void Register(ChannelNode node)
    {
        Writers.GetOrAdd(node.Id.Writer).Entries.Add(node.Id.Number, node);
        if (node.Key is not null) _keys.Add(node.Key, node);
    }

    /// <summary>Counts what an open entry waits for, and pins all that it depends on. One that was open before may still be among their dependents.</summary>
    public void Depend(ChannelNode node, bool again = false)
    {
        node.Unmet = 0;
        foreach (Dot id in node.DependsOn)
        {
            if (Find(id) is not { } on) continue; // retired: done, or the push and the reopening would have been refused
            if (on.OpenDependents++ == 0 && !on.IsOpen && on.Slot >= 0) _retirable.Remove(on);
            if (on.Phase == Phase.Done) continue;
            node.Unmet++;
            if (!again || !on.Dependents.Contains(node)) on.AddDependent(node);
        }
    }

    /// <summary>Puts an entry into the structures of its phase.</summary>
    public void Place(ChannelNode node)
    {
        _counts[(int)node.Phase]++;
        if (node.Phase == Phase.Ready) ReadyHeap(node).Add(node);
        else if (node.Phase is Phase.Claimed or Phase.Delayed) _due.Add(node);
        else if (!node.IsOpen && node.OpenDependents == 0) _retirable.Add(node);
    }

    public void Claim(ChannelNode node, string agent, Instant until)
    {
        Unplace(node);
        node.Phase = Phase.Claimed;
        node.Lapsed = false;
        node.ClaimedBy = agent;
        node.Token = ++TokenLast;
        node.Attempts++;
        node.Due = until;
        Place(node);
    }

    public void Renew(ChannelNode node, Instant until)
    {
        _due.Remove(node);
        node.Due = until;
        _due.Add(node);
    }

    public void End(ChannelNode node, Phase phase, Instant at, string? result)
    {
        bool wasOpen = node.IsOpen;
        Unplace(node);
        node.Phase = phase;
        node.Lapsed = false;
        node.ClaimedBy = null;
        node.Result = result;
        node.EndedAt = at;
        if (wasOpen)
        {
            node.EndedOrder = ++Endings;
            Unpin(node);
        }
        Place(node);
        if (phase != Phase.Done) return;
        foreach (ChannelNode dependent in node.Dependents)
        {
            if (dependent.Phase == Phase.Waiting && --dependent.Unmet == 0) Change(dependent, Phase.Ready);
        }
        node.ClearDependents();
    }

    /// <summary>Ends an entry as it ended elsewhere. Its token is void also for a repeated completion, since the end is not that holder's.</summary>
    public void EndAs(EntryEnd end, Instant at)
    {
        end.Node.Token = 0;
        End(end.Node, NewEntry.PhaseOf(end.How), at, end.Result);
    }

    public void Postpone(ChannelNode node, Instant due, string reason)
    {
        Unplace(node);
        node.Phase = Phase.Delayed;
        node.ClaimedBy = null;
        node.Result = reason;
        node.Due = due;
        Place(node);
    }

    public void Release(ChannelNode node)
    {
        node.Attempts--;
        node.ClaimedBy = null;
        Change(node, Phase.Ready);
    }

    public void ExpireLease(ChannelNode node, Instant at)
    {
        if (node.Attempts >= node.AttemptsMax)
        {
            End(node, Phase.Failed, at, $"lease expired, attempt {node.Attempts} of {node.AttemptsMax}");
            return;
        }
        node.ClaimedBy = null;
        node.Lapsed = true;
        Change(node, Phase.Ready);
    }

    public void RetryDue(ChannelNode node) => Change(node, Phase.Ready);

    public void Reopen(ChannelNode node)
    {
        Unplace(node);
        node.Attempts = 0;
        node.EndedOrder = 0;
        node.EndedAt = default;
        node.Phase = Phase.Waiting; // open from here on: what it depends on is pinned for it
        Depend(node, again: true);
        node.Phase = node.Unmet > 0 ? Phase.Waiting : Phase.Ready;
        Place(node);
    }

    public void Retire(int count)
    {
        for (; count > 0; count--)
        {
            ChannelNode node = _retirable.First!;
            Unplace(node);
            ChannelWriter writer = Writers.GetOrAdd(node.Id.Writer);
            writer.Entries.Remove(node.Id.Number);
            writer.Retired.Add(node.Id.Number, node.Status);
            if (node.Key is not null) _keys.Remove(node.Key);
            Retired++;
        }
    }

    private void Change(ChannelNode node, Phase phase)
    {
        Unplace(node);
        node.Phase = phase;
        Place(node);
    }

    private void Unplace(ChannelNode node)
    {
        _counts[(int)node.Phase]--;
        if (node.Phase is Phase.Claimed or Phase.Delayed) _due.Remove(node);
        else if (node.Phase == Phase.Ready)
        {
            EntryHeap<ByNumber> heap = ReadyHeap(node);
            heap.Remove(node);
            if (heap.Count == 0 && node.Agent is not null) _readyByAgent.Remove(node.Agent);
        }
        else if (!node.IsOpen && node.Slot >= 0) _retirable.Remove(node);
    }

    /// <summary>An entry that has ended holds nothing any more that it depends on.</summary>
    private void Unpin(ChannelNode node)
    {
        foreach (Dot id in node.DependsOn)
        {
            if (Find(id) is not { } on) continue;
            on.OpenDependents--;
            Invariant.Check(on.OpenDependents >= 0);
            on.TrimDependents();
            if (on.OpenDependents == 0 && !on.IsOpen) _retirable.Add(on);
        }
    }

    private EntryHeap<ByNumber> ReadyHeap(ChannelNode node)
    {
        if (node.Agent is null) return _readyForAnyone;
        if (!_readyByAgent.TryGetValue(node.Agent, out EntryHeap<ByNumber>? heap)) _readyByAgent.Add(node.Agent, heap = new EntryHeap<ByNumber>());
        return heap;
    }
}
