namespace Mesh30K.Cli.Tests.Queue;

/// <summary>Runs <c>mesh queue</c> in process on a data folder of one test.</summary>
internal sealed class QueueFixture : IDisposable
{
    public static readonly Dictionary<string, string> NoVariables = new(StringComparer.Ordinal);

    public TemporaryFolder Folder { get; } = new();

    public string DataOf(string name) => Path.Combine(Folder.FullName, name);

    /// <summary>On the data folder <c>data</c>, unless the arguments name another.</summary>
    public Task<CommandLineRun> RunAsync(params string[] args) =>
        RunAsync(NoVariables, "", args.Contains("--data-dir") || args.Contains("--node") ? args : [args[0], "--data-dir", DataOf("data"), .. args[1..]]);

    /// <summary>With environment variables, and a person who types that answer; null for nobody.</summary>
    public async Task<CommandLineRun> RunAsync(Dictionary<string, string> environment, string? answer, params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        CliContext context = new()
        {
            Out = output,
            Error = error,
            OpenIn = () => new MemoryStream(System.Text.Encoding.UTF8.GetBytes(answer ?? "")),
            InIsTerminal = !string.IsNullOrEmpty(answer),
            Environment = environment.GetValueOrDefault,
            WorkingDirectory = Folder.FullName,
        };
        ExitCode exit = await MeshCommandLine.Create(context).RunAsync(["queue", .. args], TestContext.Current.CancellationToken);
        return new CommandLineRun(exit, output.ToString(), error.ToString());
    }

    public async Task<CommandLineRun> OkAsync(params string[] args)
    {
        CommandLineRun run = await RunAsync(args);
        Assert.True(run.Exit == ExitCode.Ok, run.Error + run.Out);
        return run;
    }

    public void Dispose() => Folder.Dispose();
}
