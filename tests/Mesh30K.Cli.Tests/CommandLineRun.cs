using System.Text;
using System.Text.Json;
using Mesh30K.Cli.Commands;

namespace Mesh30K.Cli.Tests;

/// <summary>One command line run in process: what it wrote, and how it ended.</summary>
internal sealed record CommandLineRun(ExitCode Exit, string Out, string Error)
{
    public static Task<CommandLineRun> OfAsync(params string[] args) => WithAsync(MeshCommandLine.Verbs(), Path.GetTempPath(), CancellationToken.None, args);

    public static Task<CommandLineRun> WithAsync(IReadOnlyList<VerbCommand> verbs, string folder, CancellationToken stop, params string[] args) =>
        WithAsync(verbs, folder, stop, args, stdin: "");

    public static async Task<CommandLineRun> WithAsync(IReadOnlyList<VerbCommand> verbs, string folder, CancellationToken stop, string[] args, string stdin)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        CliContext context = new()
        {
            Out = output,
            Error = error,
            OpenIn = () => new MemoryStream(Encoding.UTF8.GetBytes(stdin)),
            Environment = _ => null,
            WorkingDirectory = folder,
            StopGrace = TimeSpan.FromMilliseconds(50),
        };
        ExitCode exit = await MeshCommandLine.Create(context, verbs).RunAsync(args, stop);
        return new CommandLineRun(exit, output.ToString(), error.ToString());
    }

    /// <summary>The one JSON object on stdout; fails when there is anything else.</summary>
    public JsonElement Json()
    {
        using JsonDocument document = JsonDocument.Parse(Out);
        Assert.Equal(JsonValueKind.Object, document.RootElement.ValueKind);
        return document.RootElement.Clone();
    }
}

/// <summary>A folder of one test, removed with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string FullName { get; } = Directory.CreateTempSubdirectory("mesh-cli-").FullName;

    public string Write(string name, string text)
    {
        string path = Path.Combine(FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
