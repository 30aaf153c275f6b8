using System.Diagnostics;
using System.Net;
using Mesh30K.Cli.Doctor;

namespace Mesh30K.Cli.Tests;

/// <summary>Input that a clumsy or hostile user gives: each is one message, soon.</summary>
public sealed class HostileInputTests
{
    private static readonly string[][] CommandsWithAFile =
    [
        ["doctor", "--fleet"],
        ["up", "--fleet"],
        ["bench", "predictor", "--column", "ms", "--series"],
        ["simulate", "--service-column", "ms", "--service-trace"],
        ["demo", "--service-column", "ms", "--service-trace"],
        ["verify", "history"],
    ];

    [Fact]
    public async Task A_pipe_or_a_device_is_refused_instead_of_read_for_ever()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "file types are asked on Linux only");
        using TemporaryFolder folder = new();
        string pipe = Path.Combine(folder.FullName, "pipe");
        using (Process made = Process.Start("mkfifo", pipe)) await made.WaitForExitAsync(TestContext.Current.CancellationToken);
        foreach (string[] command in CommandsWithAFile)
        {
            foreach ((string path, string what) in ((string, string)[])[(pipe, "a pipe"), ("/dev/zero", "a device")])
            {
                CommandLineRun run = await CommandLineRun.OfAsync([.. command, path, "--json"]).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
                Assert.Equal(ExitCode.Usage, run.Exit);
                Assert.Contains(what, run.Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task A_pipe_that_a_fleet_file_names_is_refused()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "file types are asked on Linux only");
        using TemporaryFolder folder = new();
        string fleet = folder.Write("fleet.yaml", "fleet: { service_trace: { file: /dev/zero, column: ms } }");
        CommandLineRun run = await CommandLineRun.OfAsync("doctor", "--fleet", fleet).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains("fleet.service_trace.file is a device: /dev/zero", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_path_is_not_the_current_folder()
    {
        foreach (string option in (string[])["--fleet", "--data-dir"])
        {
            CommandLineRun run = await CommandLineRun.OfAsync("up", option, "", "--json");
            Assert.Equal(ExitCode.Usage, run.Exit);
            Assert.Equal("bad_path", run.Json().GetProperty("error").GetProperty("code").GetString());
        }
    }

    [Fact]
    public async Task A_line_of_a_megabyte_is_quoted_in_short_and_without_control_characters()
    {
        using TemporaryFolder folder = new();
        string trace = folder.Write("calls.csv", "ms\n\u001b[2J" + new string('9', 1_000_000) + "\n");
        CommandLineRun run = await CommandLineRun.OfAsync("simulate", "--service-column", "ms", "--service-trace", trace);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.InRange(run.Error.Length, 20, 1_000);
        Assert.DoesNotContain('\u001b', run.Error);
    }

    [Theory]
    [InlineData("ask", "question")]
    [InlineData("broadcast", "message")]
    public async Task Empty_words_are_refused_before_a_node_is_looked_for(string verb, string what)
    {
        CommandLineRun run = await CommandLineRun.OfAsync(verb, "");
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains($"the {what} is empty", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stdout_that_takes_nothing_is_an_error_and_no_bug_of_mesh()
    {
        foreach (string[] args in (string[][])[["--version"], ["--version", "--json"], ["nonsense", "--json"]])
        {
            using FullDisk output = new();
            using StringWriter error = new();
            CliContext context = new() { Out = output, Error = error, Environment = _ => null, WorkingDirectory = Path.GetTempPath() };
            Assert.Equal(ExitCode.Usage, await MeshCommandLine.Create(context).RunAsync(args, TestContext.Current.CancellationToken));
            Assert.StartsWith("mesh: ", error.ToString(), StringComparison.Ordinal);
            Assert.DoesNotContain("bug", error.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_doctor_fails_an_address_that_up_would_refuse() =>
        Assert.Equal(FindingStatus.Fail, MachineChecks.Port(new IPEndPoint(IPAddress.Any, 0)).Status);

    [Fact]
    public async Task Help_tells_the_defaults()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("demo", "--help");
        Assert.Contains("Agents in the fleet (default: 30000)", run.Out, StringComparison.Ordinal);
    }

    private sealed class FullDisk : StringWriter
    {
        public override void WriteLine(string? value) => throw new IOException("No space left on device");

        public override void Write(string? value) => throw new IOException("No space left on device");

        public override void Write(char[] buffer, int index, int count) => throw new IOException("No space left on device");
    }
}
