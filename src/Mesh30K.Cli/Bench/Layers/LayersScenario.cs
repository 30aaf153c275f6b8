namespace Mesh30K.Cli.Bench.Layers;

/// <summary>What one scenario of <c>mesh bench layers</c> counted; docs/guide/layers-experiment.md defines each number.</summary>
internal sealed record LayersScenario(string Scenario)
{
    public int Writers { get; init; }

    /// <summary>Writes, commits or tasks.</summary>
    public int Writes { get; init; }

    /// <summary>Elements that nobody removed and that are not there in the end.</summary>
    public int Lost { get; init; }

    /// <summary>Elements that are there more than once; tasks done more than once, each time counted.</summary>
    public int Duplicated { get; init; }

    /// <summary>Elements that are there with what was overtaken: removed ones that are back, marks and cells that went back.</summary>
    public int Stale { get; init; }

    /// <summary>Runs of <c>git merge</c> that ended with a conflict; of <c>queue_10k</c> the conflicts in one merge.</summary>
    public int ConflictedMerges { get; init; }

    /// <summary>Starts of a task whose predecessor was not finished.</summary>
    public int OutOfOrder { get; init; }

    /// <summary>Runs of <c>git merge</c>.</summary>
    public int Merges { get; init; }

    /// <summary>Commits replayed by rebase and cherry-pick that met a conflict.</summary>
    public int ConflictedReplays { get; init; }

    /// <summary>Of the lost ones those that the watcher never saw: overwritten between two of its looks.</summary>
    public int LostUnseen { get; init; }

    /// <summary>Length of the scenario; of <c>queue_10k</c> the median of one merge, whole process.</summary>
    public double Ms { get; init; }

    /// <summary>Whether mesh is at work in it, and so has to lose, double and reorder nothing.</summary>
    public bool Ours { get; init; }

    /// <summary>Whether it did what it has to.</summary>
    public bool Holds => !Ours || (Lost == LostUnseen && Duplicated == 0 && Stale == 0 && ConflictedMerges == 0 && ConflictedReplays == 0 && OutOfOrder == 0);
}
