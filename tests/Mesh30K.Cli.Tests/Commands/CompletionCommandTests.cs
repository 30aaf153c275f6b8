using System.Diagnostics;
using System.Text.Json;

namespace Mesh30K.Cli.Tests.Commands;

/// <summary>The scripts call back into the real command, so these tests start it as a process.</summary>
public sealed class CompletionCommandTests
{
    private static readonly string MeshDll = Path.Combine(AppContext.BaseDirectory, "mesh.dll");

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Each_shell_gets_a_script_that_asks_mesh(string shell)
    {
        CommandLineRun text = await CommandLineRun.OfAsync("completion", shell);
        Assert.Equal(ExitCode.Ok, text.Exit);
        Assert.Contains("mesh \"[suggest:", text.Out, StringComparison.Ordinal);
        CommandLineRun json = await CommandLineRun.OfAsync("completion", shell, "--json");
        JsonElement result = json.Json();
        Assert.Equal(shell, result.GetProperty("shell").GetString());
        Assert.Equal(text.Out, result.GetProperty("script").GetString() + "\n");
    }

    [Theory]
    [InlineData("mesh doc", "doctor")]
    [InlineData("mesh completion f", "fish")]
    [InlineData("mesh doctor --fl", "--fleet")]
    public async Task The_command_suggests(string line, string expected)
    {
        string output = await StartAsync("dotnet", MeshDll, $"[suggest:{line.Length}]", line);
        Assert.Contains(expected, output.Split('\n'));
    }

    [Fact]
    public async Task Bash_completes_through_the_script()
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "no bash here");
        CommandLineRun script = await CommandLineRun.OfAsync("completion", "bash");
        string program = $$"""
            mesh() { dotnet '{{MeshDll}}' "$@"; }
            {{script.Out}}
            COMP_LINE='mesh completion z' COMP_POINT=17 COMP_CWORD=2 COMP_WORDS=(mesh completion z)
            _mesh_complete
            echo "${COMPREPLY[*]}"
            """;
        Assert.Equal("zsh\n", await StartAsync("/bin/bash", "-c", program));
    }

    [Fact]
    public async Task Exit_codes_reach_the_shell()
    {
        ProcessStartInfo start = new("dotnet", [MeshDll, "docter"]) { RedirectStandardError = true, UseShellExecute = false };
        using Process process = Process.Start(start)!;
        string error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((int)ExitCode.Usage, process.ExitCode);
        Assert.Contains("Did you mean \"doctor\"?", error, StringComparison.Ordinal);
    }

    private static async Task<string> StartAsync(string file, params string[] args)
    {
        ProcessStartInfo start = new(file, args) { RedirectStandardOutput = true, UseShellExecute = false };
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return output;
    }
}
