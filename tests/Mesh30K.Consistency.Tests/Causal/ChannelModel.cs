using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Tests.Causal;

/// <summary>
/// What a channel should do, written as plainly as possible: lists, searched from end to end. It shares no code with the channel but the commands.
/// It knows outcomes, entries and clocks; messages and field rules are tested elsewhere.
/// </summary>
internal sealed class ChannelModel(ChannelOptions options)
{
    public sealed class Task
    {
        public required Dot Id;
        public required string Text;
        public required Dot[] DependsOn;
        public string? Agent;
        public string? Key;
        public int AttemptsMax;
        public EntryStatus Ended = EntryStatus.Ready; // or Done, Failed, Cancelled
        public string? Holder;
        public Instant? Lease;
        public Instant? Retry;
        public bool Lapsed;
        public long Token;
        public int Attempts;
        public string? Checkpoint;
        public string? Result;
        public int EndedAs;
        public Dictionary<ReplicaId, long> Clock = [];

        public bool IsOpen => Ended == EntryStatus.Ready;
    }

    private readonly Dictionary<Dot, EntryStatus> _retired = [];
    private long _tokens;
    private int _endings;
    private readonly Dictionary<ReplicaId, long> _seen = [];

    public List<Task> Tasks { get; } = [];

    public long Retired => _retired.Count;

    public Task? Find(Dot id) => Tasks.Find(t => t.Id == id);

    public bool IsDone(Dot id) => Find(id)?.Ended == EntryStatus.Done || (Find(id) is null && _retired.GetValueOrDefault(id) == EntryStatus.Done);

    public EntryStatus StatusOf(Task task)
    {
        if (!task.IsOpen) return task.Ended;
        if (task.Holder is not null) return EntryStatus.Claimed;
        return task.Retry is null && task.DependsOn.All(IsDone) ? EntryStatus.Ready : EntryStatus.Waiting;
    }

    public (ChannelOutcome Outcome, List<Task> Tasks) Step(ChannelCommand command, Instant now)
    {
        Wake(now);
        (ChannelOutcome, List<Task>) reply = command switch
        {
            ChannelCommand.Push push => Push([push]),
            ChannelCommand.PushAll all => Push(all.Entries),
            ChannelCommand.Claim claim => Claim(claim.Agent, now + claim.Lease, claim.Limit) is { Count: > 0 } taken ? (ChannelOutcome.Ok, taken) : (ChannelOutcome.Empty, []),
            ChannelCommand.Complete complete => Complete(complete.Id, complete.Token, complete.Result),
            ChannelCommand.CompleteAndClaim both => Complete(both.Id, both.Token, both.Result) is { Outcome: ChannelOutcome.Ok } done
                ? (ChannelOutcome.Ok, [.. done.Tasks, .. Claim(both.Agent, now + both.Lease, both.Limit)])
                : (Complete(both.Id, both.Token, both.Result).Outcome, []),
            ChannelCommand.Renew renew => Held(renew.Id, renew.Token, t => t.Lease = now + renew.Lease),
            ChannelCommand.Checkpoint checkpoint => Held(checkpoint.Id, checkpoint.Token, t => (t.Lease, t.Checkpoint) = (now + checkpoint.Lease, checkpoint.Data)),
            ChannelCommand.Release release => Held(release.Id, release.Token, t => (t.Holder, t.Lease, t.Attempts) = (null, null, t.Attempts - 1)),
            ChannelCommand.Fail fail => Held(fail.Id, fail.Token, t => Fail(t, fail, now)),
            ChannelCommand.Cancel cancel => Cancel(cancel),
            ChannelCommand.Reopen reopen => Reopen(reopen.Id),
            _ => throw new ArgumentOutOfRangeException(nameof(command)),
        };
        Retire();
        return reply;
    }

    private void End(Task task, EntryStatus status, string? result)
    {
        if (task.IsOpen) task.EndedAs = ++_endings;
        (task.Ended, task.Holder, task.Lease, task.Retry, task.Lapsed, task.Result) = (status, null, null, null, false, result);
    }

    private void Wake(Instant now)
    {
        foreach (Task task in Tasks.Where(t => (t.Lease ?? t.Retry) is { } due && due <= now).OrderBy(t => (t.Lease ?? t.Retry)!.Value.Ticks).ThenBy(t => t.Id).ToList())
        {
            if (task.Retry is not null) task.Retry = null;
            else if (task.Attempts >= task.AttemptsMax) End(task, EntryStatus.Failed, $"lease expired, attempt {task.Attempts} of {task.AttemptsMax}");
            else (task.Holder, task.Lease, task.Lapsed) = (null, null, true);
        }
    }

    private void Retire()
    {
        int ended = Tasks.Count(t => !t.IsOpen);
        if (ended <= options.EndedMax) return;
        foreach (Task task in Tasks.Where(t => !t.IsOpen && !Tasks.Exists(d => d.IsOpen && d.DependsOn.Contains(t.Id)))
            .OrderBy(t => t.EndedAs).Take(ended - options.EndedMax + (options.EndedMax / 64)).ToList())
        {
            Tasks.Remove(task);
            _retired[task.Id] = task.Ended;
        }
    }

    private (ChannelOutcome, List<Task>) Push(IReadOnlyList<ChannelCommand.Push> pushes)
    {
        Task?[] tasks = new Task?[pushes.Count];
        int[] same = [.. Enumerable.Range(0, pushes.Count)];
        if (!Match(pushes, tasks, same)) return (ChannelOutcome.Taken, []);
        if (Order(pushes, tasks, same) is not { } order) return (ChannelOutcome.Cycle, []);
        long number = pushes.Where(p => p.Id is { } id && id.Writer == options.Writer).Select(p => p.Id!.Value.Number)
            .Concat(pushes.Select(p => p.Clock?[options.Writer] ?? 0)).Append(_seen.GetValueOrDefault(options.Writer)).Max();
        List<Task> fresh = [];
        SortedDictionary<Dot, (Task Task, EntryStatus How, string? Result)> ends = [];
        Dot Resolve(Dot d) => d.Number < 0 ? (tasks[-1 - d.Number] ?? tasks[same[-1 - d.Number]])!.Id : d;
        foreach (int i in order)
        {
            Task task = new()
            {
                Id = pushes[i].Id ?? new Dot(++number, options.Writer),
                Text = pushes[i].Text,
                DependsOn = [.. pushes[i].DependsOn.Select(Resolve).Distinct().Order()],
                Agent = pushes[i].Agent,
                Key = pushes[i].Key,
                AttemptsMax = pushes[i].AttemptsMax,
            };
            if (pushes[i].Ended is { } ended) (task.Ended, task.Result) = (ended, pushes[i].Result);
            if (task.IsOpen && task.DependsOn.Any(d => Find(d) is null && !IsDone(d) && !fresh.Exists(f => f.Id == d))) return (ChannelOutcome.UnknownDependency, []);
            task.Clock = ClockOf(task, pushes[i].Clock, d => Find(d) ?? fresh.Find(f => f.Id == d));
            tasks[i] = task;
            fresh.Add(task);
        }
        for (int i = 0; i < pushes.Count; i++)
        {
            Task task = tasks[i] ?? tasks[same[i]]!;
            tasks[i] = task;
            if (order.Contains(i)) continue;
            Dot[] dependsOn = [.. pushes[i].DependsOn.Select(Resolve).Distinct().Order()];
            bool tellsItsEnd = pushes[i].Id is not null && pushes[i].Ended is not null;
            if ((pushes[i].Id ?? task.Id) != task.Id || (pushes[i].Text, pushes[i].Agent) != (task.Text, task.Agent)
                || (!tellsItsEnd && (pushes[i].Key != task.Key || !dependsOn.SequenceEqual(task.DependsOn))))
                return (ChannelOutcome.Taken, []);
            EntryStatus[] rising = [EntryStatus.Ready, EntryStatus.Failed, EntryStatus.Cancelled, EntryStatus.Done];
            EntryStatus sofar = ends.TryGetValue(task.Id, out var before) ? before.How : task.Ended;
            if (tellsItsEnd && Array.IndexOf(rising, pushes[i].Ended!.Value) > Array.IndexOf(rising, sofar)) ends[task.Id] = (task, pushes[i].Ended!.Value, pushes[i].Result);
        }
        int more = fresh.Count(t => t.IsOpen) - ends.Values.Count(e => e.Task.IsOpen);
        if (more > 0 && Tasks.Count(t => t.IsOpen) + more > options.OpenMax) return (ChannelOutcome.Full, []);
        Tasks.AddRange(fresh);
        foreach (Task task in fresh)
        {
            if (!task.IsOpen) task.EndedAs = ++_endings;
            See(_seen, [task.Id, .. Dots(task.Clock)]);
        }
        foreach ((Task task, EntryStatus how, string? result) in ends.Values)
        {
            End(task, how, result);
            task.Token = 0;
        }
        return (ChannelOutcome.Ok, [.. tasks.Select(t => t!)]);
    }

    /// <summary>Finds the entries that are there already, and those that the batch holds twice; false when a number or key is another's.</summary>
    private bool Match(IReadOnlyList<ChannelCommand.Push> pushes, Task?[] tasks, int[] same)
    {
        for (int i = 0; i < pushes.Count; i++)
        {
            Task? byKey = pushes[i].Key is { } key ? Tasks.Find(t => t.Key == key) : null;
            Task? byId = pushes[i].Id is { } id ? Find(id) : null;
            if (byKey is not null && pushes[i].Id is not null && byKey != byId) return false;
            tasks[i] = byKey ?? byId;
            if (tasks[i] is not null) continue;
            if (pushes[i].Id is { } old && _retired.ContainsKey(old)) return false;
            for (int j = i - 1; j >= 0; j--)
            {
                if (tasks[j] is null && ((pushes[i].Key is not null && pushes[i].Key == pushes[j].Key) || (pushes[i].Id is not null && pushes[i].Id == pushes[j].Id))) same[i] = same[j];
            }
        }
        return true;
    }

    /// <summary>The new entries, each after those of the batch that it depends on; null for a circle.</summary>
    private static List<int>? Order(IReadOnlyList<ChannelCommand.Push> pushes, Task?[] tasks, int[] same)
    {
        List<int> left = [.. Enumerable.Range(0, pushes.Count).Where(i => tasks[i] is null && same[i] == i)];
        List<int> order = [];
        int[] Inner(int i) => [.. pushes[i].DependsOn.Select(d => d.Number < 0 ? (int)(-1 - d.Number) : pushes.ToList().FindIndex(p => p.Id == d)).Where(d => d >= 0 && tasks[d] is null).Select(d => same[d])];
        while (left.Count > 0)
        {
            int next = left.FindIndex(i => !Inner(i).Any(left.Contains));
            if (next < 0) return null;
            order.Add(left[next]);
            left.RemoveAt(next);
        }
        return order;
    }

    private Dictionary<ReplicaId, long> ClockOf(Task task, VectorClock? given, Func<Dot, Task?> find)
    {
        Dictionary<ReplicaId, long> clock = [];
        See(clock, [.. task.DependsOn]);
        if (given is not null) See(clock, given.Dots.ToArray());
        else if (task.Id.Writer == options.Writer) See(clock, [.. Dots(_seen).Where(d => d.Writer != options.Writer)]);
        else foreach (Task on in task.DependsOn.Select(find).OfType<Task>()) See(clock, [.. Dots(on.Clock)]);
        if (task.Id.Number > 1) See(clock, [new Dot(task.Id.Number - 1, task.Id.Writer)]);
        return clock;
    }

    private static IEnumerable<Dot> Dots(Dictionary<ReplicaId, long> clock) => clock.Select(c => new Dot(c.Value, c.Key));

    private static void See(Dictionary<ReplicaId, long> clock, Dot[] dots)
    {
        foreach (Dot dot in dots) clock[dot.Writer] = Math.Max(dot.Number, clock.GetValueOrDefault(dot.Writer));
    }

    public static string Show(Dictionary<ReplicaId, long> clock) => string.Join(',', Dots(clock).OrderBy(d => d.Writer));

    /// <summary>Whether an entry that opens again would wait for itself.</summary>
    private bool WouldWaitForItself(Task task)
    {
        HashSet<Dot> above = [.. task.DependsOn];
        while (Tasks.Find(t => t.IsOpen && above.Contains(t.Id) && !t.DependsOn.All(above.Contains)) is { } next) above.UnionWith(next.DependsOn);
        return above.Contains(task.Id);
    }

    private List<Task> Claim(string agent, Instant until, int limit)
    {
        List<Task> taken = [.. Tasks.Where(t => StatusOf(t) == EntryStatus.Ready && (t.Agent is null || t.Agent == agent)).OrderBy(t => t.Id).Take(limit)];
        foreach (Task task in taken) (task.Holder, task.Lease, task.Token, task.Attempts, task.Lapsed) = (agent, until, ++_tokens, task.Attempts + 1, false);
        return taken;
    }

    private (ChannelOutcome Outcome, List<Task> Tasks) Complete(Dot id, long token, string? result)
    {
        if (Find(id) is not { } task) return (ChannelOutcome.NotFound, []);
        if (token == 0 || token != task.Token) return (ChannelOutcome.NotHeld, []);
        if (task.Ended == EntryStatus.Done) return (ChannelOutcome.Ok, [task]);
        if (task.Holder is null && !task.Lapsed) return (ChannelOutcome.NotHeld, []);
        End(task, EntryStatus.Done, result);
        return (ChannelOutcome.Ok, [task]);
    }

    private (ChannelOutcome, List<Task>) Held(Dot id, long token, Action<Task> change)
    {
        if (Find(id) is not { } task) return (ChannelOutcome.NotFound, []);
        if (task.Holder is null || task.Token != token) return (ChannelOutcome.NotHeld, []);
        change(task);
        return (ChannelOutcome.Ok, [task]);
    }

    private void Fail(Task task, ChannelCommand.Fail fail, Instant now)
    {
        if (fail.RetryAfter is { } after && task.Attempts < task.AttemptsMax) (task.Holder, task.Lease, task.Retry, task.Result) = (null, null, now + after, fail.Reason);
        else End(task, EntryStatus.Failed, fail.Reason);
    }

    private (ChannelOutcome, List<Task>) Cancel(ChannelCommand.Cancel cancel)
    {
        if (Find(cancel.Id) is not { } task) return (ChannelOutcome.NotFound, []);
        if (task.Ended == EntryStatus.Done) return (ChannelOutcome.NotHeld, []);
        HashSet<Dot> below = [task.Id];
        while (cancel.Dependents && Tasks.Find(t => t.IsOpen && !below.Contains(t.Id) && t.DependsOn.Any(below.Contains)) is { } next) below.Add(next.Id);
        List<Task> dependents = [.. Tasks.Where(t => t != task && below.Contains(t.Id)).OrderBy(t => t.Id)];
        foreach (Task each in dependents.Append(task).Where(t => t.Ended != EntryStatus.Cancelled).OrderBy(t => t.Id)) End(each, EntryStatus.Cancelled, cancel.Reason);
        return (ChannelOutcome.Ok, [task, .. dependents]);
    }

    private (ChannelOutcome, List<Task>) Reopen(Dot id)
    {
        if (Find(id) is not { } task) return (ChannelOutcome.NotFound, []);
        if (task.Ended is not (EntryStatus.Failed or EntryStatus.Cancelled)) return (ChannelOutcome.NotHeld, []);
        if (task.DependsOn.Any(d => Find(d) is null && !IsDone(d))) return (ChannelOutcome.UnknownDependency, []);
        if (WouldWaitForItself(task)) return (ChannelOutcome.Cycle, []);
        if (Tasks.Count(t => t.IsOpen) >= options.OpenMax) return (ChannelOutcome.Full, []);
        (task.Ended, task.Attempts) = (EntryStatus.Ready, 0);
        return (ChannelOutcome.Ok, [task]);
    }

    public IEnumerable<Dot> BlockedBy(Task task)
    {
        if (StatusOf(task) != EntryStatus.Waiting || task.Retry is not null) return [];
        HashSet<Dot> found = [];
        HashSet<Dot> seen = [];
        void Walk(Task at)
        {
            foreach (Task on in at.DependsOn.Where(seen.Add).Select(Find).OfType<Task>())
            {
                if (on.Ended is EntryStatus.Failed or EntryStatus.Cancelled) found.Add(on.Id);
                else if (on.IsOpen) Walk(on);
            }
        }
        Walk(task);
        return found.Order();
    }
}
