namespace Mesh30K.Cli.Commands;

/// <summary>Checks what this build promises. Each kind of promise is a sub-verb.</summary>
public sealed class VerifyCommand : VerbCommand
{
    public VerifyCommand()
        : base("verify", "Check what this build promises: laws, faults that lose nothing, frames that are refused, histories that have one order")
    {
        Add(new VerifyCrdtCommand());
        Add(new VerifyChannelCommand());
        Add(new VerifyRaftCommand());
        Add(new VerifyChannelWorkerCommand());
        Add(new VerifyFramesCommand());
        Add(new VerifyHistoryCommand());
        Add(new VerifyLedgerCommand());
        Add(new VerifyEffectsCommand());
        Add(new VerifyEffectsWorkerCommand());
    }

    public override IReadOnlyList<string> Examples { get; } =
        [
            "mesh verify crdt --cases 1000000 --enumerate --json", "mesh verify channel --kills 500 --json", "mesh verify frames --cases 1000000 --json", "mesh verify raft --seeds 300 --json",
            "mesh verify history history.jsonl", "mesh verify effects --kills 40", "mesh verify ledger --seeds 2000 --json",
        ];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("verify has sub-verbs only");
}
