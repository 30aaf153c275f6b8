using System.Globalization;
using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>A fault that a plan brings, with chance of its own: it strikes alike whether or not others do.</summary>
/// <param name="Number">From 1, in the order of time.</param>
/// <param name="At">Ticks of virtual time.</param>
internal sealed record PlannedFault(int Number, long At, FaultKind Kind, ulong Seed);

/// <summary>
/// What a seed says of a run: the group, its options, its clients and its faults. A recipe says which faults, how many, and what the options favour: some runs see one
/// kind of trouble deeply, others all of them (swarm testing: Groce and others 2012).
/// </summary>
internal sealed record RaftPlan
{
    public required RaftRecipe Recipe { get; init; }

    public required int Voters { get; init; }

    public required RaftOptions Options { get; init; }

    /// <summary>Bytes that make an image longer.</summary>
    public required int ImagePadding { get; init; }

    public required ClientHabits Clients { get; init; }

    public required IReadOnlyList<PlannedFault> Faults { get; init; }

    /// <param name="seed">Of the run.</param>
    /// <param name="faultyTicks">How long faults are brought.</param>
    /// <param name="only">Numbers of the faults that strike; null: all.</param>
    public static RaftPlan Of(ulong seed, long faultyTicks, IReadOnlySet<int>? only)
    {
        SimRandom random = SimRandom.Of(seed, SimStream.Plan);
        RaftRecipe recipe = random.Of(RaftRecipe.All);
        int voters = random.Percent(recipe.AlonePercent) ? 1 : random.Percent(60) ? 3 : 5;
        int snapshotEvery = random.Percent(recipe.SnapshotPercent) ? random.Between(recipe.SnapshotEveryLeast, recipe.SnapshotEveryMost) : 10_000;
        RaftOptions options = new()
        {
            ElectionMin = TimeSpan.FromMilliseconds(150),
            ElectionSpread = TimeSpan.FromMilliseconds(150),
            Heartbeat = TimeSpan.FromMilliseconds(30),
            BatchEntriesMax = random.Between(1, 16),
            BatchBytesMax = random.Between(1, 400),
            InflightMax = random.Between(1, 6),
            UncommittedMax = random.Between(8, 60),
            UncommittedBytesMax = random.Between(1_500, 6_000),
            ReadsMax = random.Between(2, 20),
            ApplyingMax = random.Between(1, 32),
            SnapshotEvery = snapshotEvery,
            KeepBehindSnapshot = random.Next(12),
            ChunkBytes = random.OneIn(2) ? 4_096 : random.Between(16, 160),
            PromoteBehindMax = random.Between(3, 40),
            Preferred = random.OneIn(4) ? new ServerId(1) : ServerId.None,
            PreferredAfter = TimeSpan.FromMilliseconds(500),
        };
        return new RaftPlan
        {
            Recipe = recipe,
            Voters = voters,
            Options = options,
            ImagePadding = random.Next(150),
            Clients = new ClientHabits(random.Between(2, 5), random.Between(5, 25), random.Between(80, 400), random.Between(recipe.ReadPercentLeast, recipe.ReadPercentLeast + 30)),
            Faults = [.. Draw(recipe, random, faultyTicks).Where(f => only is null || only.Contains(f.Number))],
        };
    }

    private static List<PlannedFault> Draw(RaftRecipe recipe, SimRandom random, long faultyTicks)
    {
        List<FaultKind> kinds = [];
        foreach ((int percent, FaultKind[] family) in recipe.Families)
            if (random.Percent(percent)) kinds.AddRange(family);
        if (kinds.Count == 0) kinds.Add(FaultKind.CrashLeader);
        List<PlannedFault> faults = [];
        foreach ((int percent, FaultKind always) in recipe.Always)
            if (random.Percent(percent)) faults.Add(new PlannedFault(faults.Count + 1, 0, always, random.NextSeed()));
        double everyMs = random.Between(recipe.EveryMsLeast, recipe.EveryMsMost);
        for (long at = random.Ms(100, 300); at < faultyTicks; at += random.Ms(1, 2 * everyMs))
            faults.Add(new PlannedFault(faults.Count + 1, at, random.Of(kinds), random.NextSeed()));
        return faults;
    }
}

/// <summary>A fault that struck in a run.</summary>
/// <param name="Number">Its number in the seed's plan: what <c>--only</c> takes.</param>
/// <param name="AtMs">Virtual time.</param>
/// <param name="Kind">What it was.</param>
public sealed record StruckFault(int Number, double AtMs, string Kind)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Number} {Kind} at {AtMs:F1} ms");
}
