using System.Diagnostics;
using System.Text;

namespace Mesh30K.Cli.Tests.Git;

/// <summary>A git repository of one test with nobody's configuration, where merges call the mesh that was built with the tests, as real processes.</summary>
internal sealed class TestRepository : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Skips the test where there is no git.</summary>
    public TestRepository(string name = "repository")
    {
        Assert.SkipUnless(HasGit, "git is not installed");
        Root = Path.Combine(_folder.FullName, name);
        Directory.CreateDirectory(Root);
        Git("init", "-q", "-b", "main");
        Git("commit", "-q", "--allow-empty", "-m", "start");
    }

    public static bool HasGit { get; } = RunOrNull("git", Path.GetTempPath(), "--version") is { Exit: 0 };

    /// <summary>The working tree.</summary>
    public string Root { get; }

    /// <summary>The folder around the working tree, for further ones.</summary>
    public string Around => _folder.FullName;

    /// <summary>Runs git, which has to succeed, and gives its stdout.</summary>
    public string Git(params string[] arguments)
    {
        (int exit, string output, string error) = TryGit(Root, arguments);
        Assert.True(exit == 0, $"git {string.Join(' ', arguments)}: {error}{output}");
        return output.TrimEnd('\n');
    }

    public static (int Exit, string Out, string Error) TryGit(string folder, params string[] arguments) => RunOrNull("git", folder, arguments)!.Value;

    public (int Exit, string Out, string Error) TryGit(params string[] arguments) => TryGit(Root, arguments);

    /// <summary>Runs the built mesh as a process.</summary>
    public static (int Exit, string Out, string Error) Mesh(string folder, params string[] arguments) =>
        RunOrNull("dotnet", folder, [typeof(MeshCommandLine).Assembly.Location, .. arguments])!.Value;

    /// <summary>Runs mesh in process with the working tree, or a folder in it, as current folder.</summary>
    public Task<CommandLineRun> MeshAsync(params string[] arguments) => MeshInAsync(Root, arguments);

    public static Task<CommandLineRun> MeshInAsync(string folder, params string[] arguments) =>
        CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder, TestContext.Current.CancellationToken, arguments);

    public async Task InitAsync(params string[] more)
    {
        CommandLineRun run = await MeshAsync(["init", .. more]);
        Assert.True(run.Exit == ExitCode.Ok, run.Error);
        Commit("mesh init");
    }

    public void Write(string file, string text)
    {
        string path = Path.Combine(Root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    public string Read(string file) => File.ReadAllText(Path.Combine(Root, file));

    public void Commit(string message)
    {
        Git("add", "-A");
        Git("commit", "-q", "--allow-empty", "-m", message);
    }

    /// <summary>On a new branch from another: writes a file and commits it.</summary>
    public void Branch(string name, string from, string file, string text)
    {
        Git("checkout", "-q", "-B", name, from);
        Write(file, text);
        Commit($"{name}: {file}");
    }

    public void Dispose() => _folder.Dispose();

    private static (int Exit, string Out, string Error)? RunOrNull(string program, string folder, params string[] arguments)
    {
        using Process process = new();
        process.StartInfo = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            Environment =
            {
                ["GIT_CONFIG_GLOBAL"] = OperatingSystem.IsWindows() ? "NUL" : "/dev/null", ["GIT_CONFIG_NOSYSTEM"] = "1", ["LC_ALL"] = "C", ["GIT_EDITOR"] = "true",
                ["GIT_AUTHOR_NAME"] = "a", ["GIT_AUTHOR_EMAIL"] = "a@example.org", ["GIT_COMMITTER_NAME"] = "a", ["GIT_COMMITTER_EMAIL"] = "a@example.org",
            },
        };
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(30_000), $"{program} {string.Join(' ', arguments)} did not end");
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
