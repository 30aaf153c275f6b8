namespace Mesh30K.Cli.Commands;

/// <summary>Checks what this build promises. Each kind of promise is a sub-verb.</summary>
public sealed class VerifyCommand : VerbCommand
{
    public VerifyCommand()
        : base("verify", "Check what this build promises about shared state")
    {
        Add(new VerifyChannelCommand());
        Add(new VerifyChannelWorkerCommand());
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify channel", "mesh verify channel --kills 40 --seed 7 --json"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("verify has sub-verbs only");
}
