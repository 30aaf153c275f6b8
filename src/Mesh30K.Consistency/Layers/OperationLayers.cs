namespace Mesh30K.Consistency.Layers;

/// <summary>How much agreement an operation gets before it counts.</summary>
public enum ConsistencyLayer
{
    /// <summary>It counts at once where it is made, and merges with all others later, without loss. Nobody waits.</summary>
    Eventual,

    /// <summary>It counts when all that it depends on is done. What does not depend on it does not wait.</summary>
    Causal,

    /// <summary>It counts when a majority of coordinators has it in one order. It waits for them, and stops without them.</summary>
    Strong,
}

/// <summary>One type of operation and its layer.</summary>
/// <param name="Operation">What is done.</param>
/// <param name="Layer">What it gets.</param>
/// <param name="Example">One such operation.</param>
/// <param name="Reason">Why that and no more, or why no less.</param>
/// <param name="Command">The command that does it in this version; null when there is none yet.</param>
public sealed record OperationLayer(string Operation, ConsistencyLayer Layer, string Example, string Reason, string? Command);

/// <summary>
/// Which operation gets which layer (spec of layered consistency, section 4): the one table, which <c>mesh layers</c> prints and
/// docs/guide/layers.md repeats. Immutable.
/// </summary>
public static class OperationLayers
{
    private const string MergeQueue = "mesh state merge --type queue";
    private const string MergeHeartbeats = "mesh state merge --type heartbeats";
    private const string MergeFacts = "mesh state merge --type facts";
    private const string MergeLog = "mesh state merge --type log";

    /// <summary>Every row, by layer, the cheapest first.</summary>
    public static IReadOnlyList<OperationLayer> All { get; } =
    [
        new("memory fact", ConsistencyLayer.Eventual, "the test suite takes 4 minutes", "A later fact supersedes and none is lost, so any order of merging gives the same", MergeFacts),
        new("knowledge fact", ConsistencyLayer.Eventual, "service billing is owned by team-pay", "The same fact from two agents is one fact; the history stays", MergeFacts),
        new("status", ConsistencyLayer.Eventual, "code-intel is reviewing", "Only the latest matters, and it is overwritten within minutes", MergeHeartbeats),
        new("heartbeat", ConsistencyLayer.Eventual, "deploy was alive at 07:00:05", "One that is 30 seconds old does no harm; waiting for agreement would", MergeHeartbeats),
        new("log line", ConsistencyLayer.Eventual, "07:01 reviewed the merge", "Lines are only added, so the union of two logs is right", MergeLog),
        new("queue document edit", ConsistencyLayer.Eventual, "two branches each add a task", "Each task is an element of its own; a concurrent addition wins over a removal", MergeQueue),
        new("task push", ConsistencyLayer.Causal, "build frontend, after 141", "It has to come after what it depends on, and after nothing else", "mesh queue push"),
        new("task claim", ConsistencyLayer.Causal, "code-intel takes 142 for 5 minutes", "One channel has one log, and its lease keeps others off", "mesh queue next"),
        new("task checkpoint", ConsistencyLayer.Causal, "142 is at step 3 of 5", "Whoever goes on with the task has to see it; nobody else has to", "mesh queue checkpoint"),
        new("task completion", ConsistencyLayer.Causal, "142 is done, so 143 is ready", "What waits for it starts after it; the rest of the queue does not care", "mesh queue done"),
        new("task hand-off chain", ConsistencyLayer.Causal, "build, then push to staging, then test", "Most work is chains and trees: order within each is enough", "mesh queue push"),
        new("external effect", ConsistencyLayer.Strong, "open an issue in another system", "It cannot be merged or taken back, so it must not run twice", "mesh effect http"),
        new("deployment", ConsistencyLayer.Strong, "roll version 12 out to production", "Two at a time, or one twice, break what users see", "mesh effect run"),
        new("mail", ConsistencyLayer.Strong, "send the weekly report", "A second copy cannot be called back", "mesh effect run"),
        new("payment", ConsistencyLayer.Strong, "pay invoice 77", "Money must move once: the key's recorded result is the answer to a repeat", "mesh effect http"),
        new("task deduplication", ConsistencyLayer.Strong, "two agents propose the same task under one key", "Which one was first has to be the same answer for all", null),
        new("lease", ConsistencyLayer.Strong, "agent 7 holds the staging server until 07:05", "Two holders at once are what a lease is there to exclude", null),
        new("membership", ConsistencyLayer.Strong, "coordinator c joins", "A majority means nothing without agreement on who counts", null),
        new("leadership", ConsistencyLayer.Strong, "coordinator a leads epoch 9", "Two leaders would order the same things differently", null),
        new("key-value compare-and-set", ConsistencyLayer.Strong, "set release to 12 if it is 11", "The comparison has to be with the one latest value", null),
    ];
}
