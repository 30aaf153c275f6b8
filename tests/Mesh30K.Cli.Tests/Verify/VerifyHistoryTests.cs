using System.Text.Json;

namespace Mesh30K.Cli.Tests.Verify;

public sealed class VerifyHistoryTests
{
    private const string Put = """{"client":1,"op":"put","key":"x","value":"1","expected":null,"call":0,"return":5,"outcome":"ok","output":null}""";

    [Fact]
    public async Task A_linearizable_history_is_ok()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("good.jsonl", Put + "\n\n" + Get("1") + "\r\n" + """{"client":3,"op":"cas","key":"y","value":"1","expected":null,"call":0,"return":null,"outcome":"unknown","output":null}""" + "\n");
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "history", file, "--json");
        Assert.Equal(ExitCode.Ok, run.Exit);
        JsonElement json = run.Json();
        Assert.Equal("linearizable", json.GetProperty("verdict").GetString());
        Assert.Equal(
            (3, 3, 2, 1, 0, 0),
            (Number(json, "operations"), Number(json, "clients"), Number(json, "keys"), Number(json, "unknown"), json.GetProperty("violations").GetArrayLength(), json.GetProperty("undecided").GetArrayLength()));
    }

    [Fact]
    public async Task A_violation_is_told_with_its_witness_and_exit_code_1()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("bad.jsonl", Put + "\n" + Get("2") + "\n");
        CommandLineRun json = await CommandLineRun.OfAsync("verify", "history", file, "--json");
        Assert.Equal(ExitCode.NotAchieved, json.Exit);
        JsonElement violation = Assert.Single(json.Json().GetProperty("violations").EnumerateArray());
        Assert.Equal(("x", 2, "1", 2), (violation.GetProperty("key").GetString(), Number(violation, "line"), violation.GetProperty("possible")[0].GetString(), Number(violation, "prefix_operations")));
        CommandLineRun plain = await CommandLineRun.OfAsync("verify", "history", file);
        Assert.Contains("x: line 2 fits no order: client 2 get x = \"2\": ok; by then the key could hold \"1\"", plain.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_bound_leaves_open_is_undecided_and_exit_code_1()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("open.jsonl", Put + "\n" + Get("2") + "\n");
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "history", file, "--configurations", "1", "--json");
        Assert.Equal((ExitCode.NotAchieved, "undecided", "x"), (run.Exit, run.Json().GetProperty("verdict").GetString(), run.Json().GetProperty("undecided")[0].GetString()));
    }

    [Theory]
    [InlineData("bad.jsonl:line 2: op is \"del\"", "bad.jsonl")]
    [InlineData("cannot read none.jsonl", "none.jsonl")]
    [InlineData("--configurations is 0", "bad.jsonl", "--configurations", "0")]
    public async Task Bad_input_is_one_clear_message(string message, params string[] arguments)
    {
        using TemporaryFolder folder = new();
        folder.Write("bad.jsonl", Put + "\n" + """{"client":1,"op":"del"}""");
        CommandLineRun run = await CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, TestContext.Current.CancellationToken, ["verify", "history", .. arguments, "--json"]);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains(message, run.Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    /// <summary>The page's example is a violation, as it says.</summary>
    [Fact]
    public async Task The_example_of_the_guide_is_what_it_says()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Mesh30K.slnx"))) root = Path.GetDirectoryName(root)!;
        string[] lines = await File.ReadAllLinesAsync(Path.Combine(root, "docs", "guide", "histories.md"), TestContext.Current.CancellationToken);
        using TemporaryFolder folder = new();
        string file = folder.Write("guide.jsonl", string.Join('\n', lines.Where(l => l.StartsWith("{\"client\"", StringComparison.Ordinal))));
        CommandLineRun run = await CommandLineRun.OfAsync("verify", "history", file, "--json");
        Assert.Equal((ExitCode.NotAchieved, 4), (run.Exit, Number(run.Json().GetProperty("violations")[0], "line")));
    }

    private static string Get(string output) => $$"""{"client":2,"op":"get","key":"x","value":null,"expected":null,"call":6,"return":7,"outcome":"ok","output":"{{output}}"}""";

    private static int Number(JsonElement json, string name) => json.GetProperty(name).GetInt32();
}
