namespace Mesh30K.Cli.Commands;

/// <summary>Checks what this build promises. Each kind of promise is a sub-verb.</summary>
public sealed class VerifyCommand : VerbCommand
{
    public VerifyCommand()
        : base("verify", "Check the laws of shared state on random and enumerated histories") => Add(new VerifyCrdtCommand());

    public override IReadOnlyList<string> Examples { get; } = ["mesh verify crdt", "mesh verify crdt --cases 1000000 --enumerate --json"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("verify has sub-verbs only");
}
