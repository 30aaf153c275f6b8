using System.Text.Json;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class SimulateCommandTests
{
    private static readonly string[] Promised =
    [
        "agents", "operations", "planner", "seed", "window_hit_rate", "prediction_error_ms", "spread_ms", "pinball_ratio_to_oracle", "coverage",
        "width_ratio_to_oracle", "events", "wall_s", "peak_resident_mb", "trace_hash",
    ];

    [Theory]
    [InlineData("learned")]
    [InlineData("spec")]
    [InlineData("fire-now")]
    [InlineData("oracle")]
    public async Task The_result_has_the_promised_fields_in_their_order(string planner)
    {
        CommandLineRun run = await CommandLineRun.OfAsync("simulate", "--agents", "400", "--operations", "30", "--planner", planner, "--json");
        JsonElement json = run.Json();
        Assert.Equal(ExitCode.Ok, run.Exit);
        Assert.Equal(Promised, json.EnumerateObject().Take(Promised.Length).Select(p => p.Name));
        Assert.Equal(["p50", "p90", "p99"], json.GetProperty("prediction_error_ms").EnumerateObject().Select(p => p.Name));
        Assert.Equal(planner, json.GetProperty("planner").GetString());
        Assert.Equal(30 - json.GetProperty("warm_up_operations").GetInt32(), json.GetProperty("decisions").EnumerateObject().Sum(d => d.Value.GetInt32()));
        Assert.InRange(json.GetProperty("window_hit_rate").GetDouble(), 0, 1);
        Assert.True(json.GetProperty("peak_resident_mb").GetDouble() > 0);
        Assert.True(json.GetProperty("pinball_ratio_5_to_10_samples").GetDouble() > 0);
        Assert.Contains("30 of 30 operations", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_result_does_not_depend_on_threads_but_on_the_seed()
    {
        async Task<string?> HashAsync(string seed, string workers)
        {
            CommandLineRun run = await CommandLineRun.OfAsync("simulate", "--agents", "1500", "--operations", "3", "--seed", seed, "--workers", workers, "--json");
            return run.Json().GetProperty("trace_hash").GetString();
        }
        string? one = await HashAsync("7", "1");
        Assert.Equal(one, await HashAsync("7", "4"));
        Assert.NotEqual(one, await HashAsync("8", "1"));
    }

    [Fact]
    public async Task Recorded_traces_drive_the_fleet()
    {
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(Path.Combine(folder.FullName, "rtt"));
        folder.Write(Path.Combine("rtt", "a.csv"), "epoch;rtt;cp\n1;20.5;0\n2;21;0\n3;22;1\n");
        folder.Write("service.csv", "model,ms\nx,100\nx,120\ny,80\n");
        CommandLineRun run = await CommandLineRun.WithAsync(
            MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None,
            "simulate", "--agents", "60", "--operations", "4", "--network-trace", "rtt", "--service-trace", "service.csv", "--service-column", "ms", "--service-group", "model", "--json");
        Assert.Equal(ExitCode.Ok, run.Exit);
        Assert.True(run.Json().GetProperty("events").GetInt64() > 0);
    }

    [Theory]
    [InlineData("--agents is 0", "--agents", "0")]
    [InlineData("--agents is -5", "--agents", "-5")]
    [InlineData("--operations is 0", "--operations", "0")]
    [InlineData("--workers is 0", "--workers", "0")]
    [InlineData("window_ms must be above 0", "--window-ms", "-1")]
    [InlineData("timeout_ms must be at least window_ms", "--timeout-ms", "10")]
    [InlineData("lead_level must be", "--lead-level", "1.5")]
    [InlineData("no such folder", "--network-trace", "nowhere")]
    [InlineData("--service-column is missing", "--service-trace", "x.csv")]
    [InlineData("--service-trace is missing", "--service-column", "ms")]
    [InlineData("cannot be read", "--service-trace", "nowhere.csv", "--service-column", "ms")]
    [InlineData("magic", "--planner", "magic")]
    [InlineData("many", "--agents", "many")]
    public async Task Bad_input_is_one_clear_message(string message, params string[] options)
    {
        CommandLineRun run = await CommandLineRun.OfAsync(["simulate", .. options, "--json"]);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains(message, run.Json().GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_column_is_named_with_those_there_are()
    {
        using TemporaryFolder folder = new();
        folder.Write("service.csv", "model,ms\nx,100\n");
        CommandLineRun run = await CommandLineRun.WithAsync(
            MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, "simulate", "--service-trace", "service.csv", "--service-column", "seconds");
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Contains("no column 'seconds'; expected one of model, ms", run.Error, StringComparison.Ordinal);
    }
}
