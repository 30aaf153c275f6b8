using System.Text.Json;

namespace Mesh30K.Cli.Tests.Commands;

/// <summary>Shapes only: figures of a few agents on a busy machine say nothing.</summary>
public sealed class BenchCommandTests
{
    [Theory]
    [InlineData("plan", "ms", "--agents", "600")]
    [InlineData("cascade", "ms", "--agents", "600")]
    [InlineData("bus", "msg/s", "--agents", "600", "--seconds", "0.05")]
    [InlineData("heartbeats", "percent of one core", "--agents", "600", "--seconds", "0.2")]
    [InlineData("registry", "ns", "--agents", "600")]
    [InlineData("release", "ms", "--agents", "600", "--seconds", "0.05")]
    [InlineData("crdt", "ms", "--agents", "600")]
    [InlineData("scale", "exponent", "--agents-max", "600")]
    public async Task A_bench_tells_its_figure_beside_its_limit(string bench, string unit, params string[] options)
    {
        CommandLineRun run = await CommandLineRun.OfAsync(["bench", bench, .. options, "--runs", "2", "--json"]);
        JsonElement json = run.Json();
        Assert.Equal(ExitCode.Ok, run.Exit);
        string[] promised = ["bench", "unit", "runs", "min", "median", "max", "limit", "ratio_to_limit"];
        Assert.Equal(promised, json.EnumerateObject().Take(promised.Length).Select(p => p.Name));
        Assert.Equal(bench, json.GetProperty("bench").GetString());
        Assert.Equal(unit, json.GetProperty("unit").GetString());
        Assert.Equal(2, json.GetProperty("runs").GetInt32());
        Assert.NotEmpty(json.GetProperty("limit").GetProperty("what").GetString()!);
        Assert.True(double.IsFinite(json.GetProperty("limit").GetProperty("median").GetDouble()));
        Assert.InRange(json.GetProperty("median").GetDouble(), json.GetProperty("min").GetDouble(), json.GetProperty("max").GetDouble());
        Assert.Contains(bench, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plan_reaches_agents()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("bench", "plan", "--agents", "600", "--runs", "1", "--json");
        Assert.True(run.Json().GetProperty("sends").GetInt32() > 400);
    }

    [Fact]
    public async Task The_predictor_is_scored_beside_baselines()
    {
        using TemporaryFolder folder = new();
        string rows = string.Concat(Enumerable.Range(0, 60).Select(i => $"{(i % 2 == 0 ? "a" : "b")},{100 + (i % 7)}\n"));
        folder.Write("calls.csv", "model,ms\n" + rows);
        CommandLineRun run = await CommandLineRun.WithAsync(
            MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, "bench", "predictor", "--series", "calls.csv", "--column", "ms", "--group", "model", "--json");
        JsonElement json = run.Json();
        Assert.Equal(ExitCode.Ok, run.Exit);
        Assert.Equal(2, json.GetProperty("series").GetInt32());
        Assert.Equal(50, json.GetProperty("samples").GetInt32());
        Assert.Equal(["ring100", "jacobson", "spec"], json.GetProperty("baselines").EnumerateObject().Select(p => p.Name));
        foreach (string figure in (string[])["pinball", "coverage", "width_ms", "mae_ms"])
            Assert.True(json.GetProperty("learned").GetProperty(figure).GetDouble() >= 0);
    }

    [Theory]
    [InlineData("--runs is 0", "cascade", "--runs", "0")]
    [InlineData("--agents is 1", "cascade", "--agents", "1")]
    [InlineData("--seconds is 0", "bus", "--seconds", "0")]
    [InlineData("--agents-max is -1", "scale", "--agents-max", "-1")]
    [InlineData("--column is missing", "predictor", "--series", "x.csv", "--format", "csv")]
    [InlineData("no such file or folder", "predictor", "--series", "nowhere", "--format", "ripe")]
    [InlineData("bench needs a verb", null)]
    [InlineData("unknown verb \"cascades\"", "cascades")]
    public async Task Bad_input_is_one_clear_message(string message, string? bench, params string[] options)
    {
        CommandLineRun run = await CommandLineRun.OfAsync(["bench", .. bench is null ? Array.Empty<string>() : [bench], .. options, "--json"]);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains(message, run.Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }
}
