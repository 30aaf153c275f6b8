using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Tests.Impedance;

public sealed class ImpedanceRegistryTests
{
    /// <summary>Joins, moves, leaves and publications in any order, against a dictionary.</summary>
    [Fact]
    public void It_answers_as_a_dictionary_would() =>
        Prop.ForAll<int>(seed =>
        {
            Random r = new(seed);
            ImpedanceRegistry registry = new();
            Dictionary<AgentId, (RegistryCell Cell, AgentImpedance Last)> model = [];
            for (int step = 0; step < 400; step++)
            {
                AgentImpedance next = Fleet.Arbitrary(r, "a" + r.Next(60));
                bool known = model.TryGetValue(next.AgentId, out var entry);
                switch (r.Next(4))
                {
                    case 0:
                        Assert.Equal(known ? 1 : 0, registry.Remove(next.AgentId));
                        model.Remove(next.AgentId);
                        break;
                    case 1:
                        model[next.AgentId] = (Join(registry, next)[0], next);
                        if (known) entry.Cell.Publish(Fleet.Agent(next.AgentId.Value, 1));
                        break;
                    default:
                        if (!known) break;
                        entry.Cell.Publish(next);
                        model[next.AgentId] = (entry.Cell, next);
                        break;
                }
                Assert.Same(model.TryGetValue(next.AgentId, out entry) ? entry.Last : null, registry.Find(next.AgentId));
            }
            Assert.Equal(model.Count, registry.Count);
            Assert.Equal(model.Values.Select(v => v.Last).ToHashSet(), registry.All.ToHashSet());
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_best_are_able_active_within_the_limit_and_sorted() =>
        Prop.ForAll<int>(seed =>
        {
            Random r = new(seed);
            ImpedanceRegistry registry = new();
            List<RegistryCell> cells = [.. Join(registry, [.. Fleet.Many(seed, 200)])];
            registry.RefreshIndex();

            // What changed since the index was made must not be taken from it.
            foreach (RegistryCell cell in cells.Where(_ => r.Next(3) == 0))
                cell.Publish(Fleet.Arbitrary(r, cell.AgentId.Value) with { Capabilities = r.Next(2) == 0 ? [] : cell.Current.Capabilities });
            registry.Remove(cells[0].AgentId);
            int count = r.Next(-1, 50);
            AgentImpedance[] expected =
            [
                .. registry.All.Where(a => a.OperationalState == OperationalState.Active && a.Capabilities.Contains("llm") && a.ImpedanceScore <= 500)
                    .OrderBy(a => a.ImpedanceScore).ThenBy(a => a.AgentId.Value, StringComparer.Ordinal).Take(count),
            ];
            Assert.Equal(expected, registry.FindBest("llm", count));
            Assert.Empty(registry.FindBest("vision", 5));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_index_says_when_it_is_stale()
    {
        ImpedanceRegistry registry = new();
        RegistryCell cell = Join(registry, Fleet.Agent("a", 100, "route"))[0];
        Assert.True(registry.IndexIsStale);
        registry.RefreshIndex();
        cell.Publish(Fleet.Agent("a", 90, "route"));
        Assert.False(registry.IndexIsStale);
        cell.Publish(Fleet.Agent("a", 90, "llm"));
        Assert.True(registry.IndexIsStale);
        Assert.Empty(registry.FindBest("llm", 1));
        registry.RefreshIndex();
        Assert.Single(registry.FindBest("llm", 1));
        Assert.Throws<InvariantException>(() => cell.Publish(Fleet.Agent("b")));
        Assert.Null(registry.Find(default));
    }

    /// <summary>Two writers with their own agents, one that joins and leaves, and readers that must see each snapshot whole.</summary>
    [Fact]
    public async Task Readers_see_whole_snapshots_and_each_agent_only_goes_forward()
    {
        ImpedanceRegistry registry = new();
        RegistryCell[] cells = Join(registry, [.. Enumerable.Range(0, 64).Select(i => Numbered($"a{i}", 0))]);
        using CancellationTokenSource stop = new();
        Task[] writers = [.. Enumerable.Range(0, 2).Select(w => OnItsOwnThread(() => Write(cells.AsSpan(w * 32, 32), stop.Token)))];
        Task members = OnItsOwnThread(() => JoinAndLeave(registry, stop.Token));
        await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => OnItsOwnThread(() => Read(registry, cells))));
        await stop.CancelAsync();
        await Task.WhenAll(writers);
        await members;
    }

    [Fact]
    public async Task Joins_from_several_threads_are_all_kept()
    {
        ImpedanceRegistry registry = new();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => OnItsOwnThread(() =>
        {
            for (int i = 0; i < 100; i++) Join(registry, Numbered($"t{thread}-{i}", i), Numbered($"u{thread}-{i}", i));
        })));
        Assert.Equal(800, registry.Count);
        Assert.Equal(99, registry.Find(new AgentId("u3-99"))!.CurrentQueueDepth);
    }

    private static Task OnItsOwnThread(Action work) =>
        Task.Factory.StartNew(work, TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static void JoinAndLeave(ImpedanceRegistry registry, CancellationToken stop)
    {
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            Join(registry, Numbered($"m{i % 500}", i));
            if (i % 3 == 0) registry.Remove(new AgentId($"m{(i + 250) % 500}"));
            if (i % 100 == 0) registry.RefreshIndex();
        }
    }

    private static AgentImpedance Numbered(string id, int n) => Fleet.Agent(id, n % 500, "route") with { CurrentQueueDepth = n, CurrentLatencyMs = n };

    private static RegistryCell[] Join(ImpedanceRegistry registry, params AgentImpedance[] agents) => registry.Register(agents, new AgentHome[agents.Length]);

    private static void Write(Span<RegistryCell> cells, CancellationToken stop)
    {
        for (int n = 1; !stop.IsCancellationRequested; n++)
        {
            foreach (RegistryCell cell in cells)
            {
                cell.Publish(Numbered(cell.AgentId.Value, n));
                cell.RecordScore(Fleet.Start.PlusMs(n * 60_000.0));
            }
        }
    }

    private static void Read(ImpedanceRegistry registry, RegistryCell[] cells)
    {
        int[] last = new int[cells.Length];
        ScorePoint[] points = new ScorePoint[ScoreHistory.Capacity];
        for (int reads = 0; reads < 30_000; reads++)
        {
            int i = reads % cells.Length;
            AgentImpedance seen = registry.Find(cells[i].AgentId)!;
            Assert.Equal(seen.CurrentQueueDepth, seen.CurrentLatencyMs);
            Assert.Equal(seen.CurrentQueueDepth % 500, seen.ImpedanceScore);
            Assert.True(seen.CurrentQueueDepth >= last[i]);
            last[i] = seen.CurrentQueueDepth;
            if (i == 0) Assert.True(registry.FindBest("route", 3).Count <= 3);
            int count = cells[i].History?.CopyTo(points) ?? 0;
            for (int p = 1; p < count; p++) Assert.Equal(60_000, points[p].At.MsSince(points[p - 1].At));
        }
    }

    [Fact]
    public void A_trend_is_the_slope_of_the_last_hour_and_is_not_moved_by_wild_points()
    {
        ImpedanceRegistry registry = new();
        RegistryCell cell = Join(registry, Fleet.Agent("a"))[0];
        Assert.Null(registry.Trend(cell.AgentId));
        Assert.Null(registry.Trend(new AgentId("unknown")));
        for (int minute = 0; minute < 100; minute++)
        {
            double score = minute % 7 == 3 ? 1000 : 100 + (minute * 2);
            cell.Publish(Fleet.Agent("a", score));
            cell.RecordScore(Fleet.Start.PlusMs(minute * 60_000.0));
            cell.RecordScore(Fleet.Start.PlusMs((minute * 60_000.0) + 30_000));
        }
        Assert.Equal(120, registry.Trend(cell.AgentId)!.Value, 1);
        ScorePoint[] points = new ScorePoint[ScoreHistory.Capacity];
        Assert.Equal(60, cell.History!.CopyTo(points));
        Assert.Equal(Fleet.Start.PlusMs(99 * 60_000.0), points[^1].At);
        Assert.Equal(298, points[^1].Score);
        Assert.True(cell.History.Record(1, Fleet.Start.PlusMs(100 * 60_000.0)));
        Assert.False(cell.History.Record(1, Fleet.Start));
    }
}
