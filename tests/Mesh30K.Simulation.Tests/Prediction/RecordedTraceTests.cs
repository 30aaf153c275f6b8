using Mesh30K.Simulation.Prediction;

namespace Mesh30K.Simulation.Tests.Prediction;

/// <summary>
/// The learned estimator against the baselines on public traces. Skipped where the traces are absent: set MESH_DATA to their folder, or put
/// it at <c>shared/data</c> beside a folder above the tests.
/// </summary>
public sealed class RecordedTraceTests(ITestOutputHelper output)
{
    private const string Configuration = "runtime,package,memory_mb,arch";

    [Theory]
    [InlineData("ripe_rtt", null, null)]
    [InlineData("llmperf/requests.csv", "ttft_ms", "provider_model")]
    [InlineData("llmperf/requests.csv", "itl_ms", "provider_model")]
    [InlineData("llmperf/requests.csv", "e2e_ms", "provider_model")]
    [InlineData("llmperf/requests.csv", "ttft_ms", "provider_model,error_code")]
    [InlineData("llmperf/requests.csv", "e2e_ms", "provider_model,error_code")]
    [InlineData("llmperf/requests.csv", "ttft_ms", null)]
    [InlineData("llmperf/requests.csv", "e2e_ms", null)]
    [InlineData("lambda_perf/init_ms.csv", "init_ms_*", Configuration)]
    [InlineData("lambda_perf/init_ms.csv", "init_ms_*", "runtime")]
    [InlineData("lambda_perf/init_ms.csv", "init_ms_*", "runtime,memory_mb")]
    [InlineData("lambda_perf/init_ms.csv", "init_ms_*", null)]
    [InlineData("lambda_perf/init_ms.csv", "init_ms_0", Configuration)]
    [InlineData("lambda_perf/init_ms.csv", "avg_duration_ms", Configuration)]
    public void Learned_loses_less_than_every_baseline(string path, string? columns, string? groups)
    {
        string? data = DataFolder();
        Assert.SkipWhen(data is null, "no recorded traces: set MESH_DATA to their folder");
        SeriesFormat format = columns is null ? SeriesFormat.Ripe : SeriesFormat.Csv;
        PredictorResult result = PredictorBenchmark.Run(RecordedSeries.Read(
            new SeriesRequest { Path = Path.Combine(data, path), Format = format, Columns = columns, Groups = groups }));
        PredictorScore learned = result.Learned;
        output.WriteLine($"{path} {columns} by {groups}: {result.Series} series, {result.Samples} samples");
        output.WriteLine($"learned {learned}\nring100 {result.Baselines.Ring100}\njacobson {result.Baselines.Jacobson}\nspec {result.Baselines.Spec}");
        Assert.True(learned.Pinball < result.Baselines.Ring100.Pinball, $"ring100 {result.Baselines.Ring100.Pinball} < {learned.Pinball}");
        Assert.True(learned.Pinball < result.Baselines.Jacobson.Pinball, $"jacobson {result.Baselines.Jacobson.Pinball} < {learned.Pinball}");
        Assert.True(learned.Pinball < result.Baselines.Spec.Pinball, $"spec {result.Baselines.Spec.Pinball} < {learned.Pinball}");
        Assert.InRange(learned.Coverage, 0.93, 0.98);
    }

    private static string? DataFolder()
    {
        string? named = Environment.GetEnvironmentVariable("MESH_DATA");
        if (!string.IsNullOrEmpty(named)) return Directory.Exists(named) ? named : null;
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            string folder = Path.Combine(at.FullName, "shared", "data");
            if (Directory.Exists(Path.Combine(folder, "ripe_rtt"))) return folder;
        }
        return null;
    }
}
