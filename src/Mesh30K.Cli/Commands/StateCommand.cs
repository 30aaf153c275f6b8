namespace Mesh30K.Cli.Commands;

/// <summary>What is done with shared documents: queue, heartbeats, facts, log. They need no node.</summary>
public sealed class StateCommand : VerbCommand
{
    public StateCommand()
        : base("state", "Merge, save and check shared documents")
    {
        Add(new StateMergeCommand());
        Add(new StateSaveCommand());
        Add(new StateCheckCommand());
        Add(new StateWatchCommand());
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh state merge base.md QUEUE.md theirs.md --type queue", "mesh state check QUEUE.md FACTS.jsonl"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("state has sub-verbs only");
}
