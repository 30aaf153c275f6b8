namespace Mesh30K.Cli.Bench;

/// <summary>How a bench is to be run.</summary>
/// <param name="Runs">Measured runs, at least 1, after the warm-up.</param>
/// <param name="Agents">Size of the fleet, at least 1.</param>
/// <param name="SecondsPerRun">How long a run of a bench lasts that runs by the clock.</param>
/// <param name="Progress">Takes a line for stderr.</param>
/// <param name="Stop">Checked between runs.</param>
internal sealed record BenchArguments(int Runs, int Agents, double SecondsPerRun, Action<string> Progress, CancellationToken Stop)
{
    /// <summary>Runs <paramref name="body"/> for each measured run and tells progress.</summary>
    public async Task<double[]> RepeatAsync(string name, Func<int, Task<double>> body)
    {
        double[] values = new double[Runs];
        for (int i = 0; i < Runs; i++)
        {
            Stop.ThrowIfCancellationRequested();
            values[i] = await body(i).ConfigureAwait(false);
            Progress(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{name}: run {i + 1} of {Runs}: {values[i]:G4}"));
        }
        return values;
    }

    /// <summary>As the other one, for a body that computes.</summary>
    public Task<double[]> RepeatAsync(string name, Func<double> body) => RepeatAsync(name, _ => Task.FromResult(body()));
}

/// <summary>
/// One bench of <c>mesh bench</c>: measures the production path, and in the same process and minute what nothing could beat (its limit) and
/// what the measuring itself costs.
/// </summary>
internal interface IBench
{
    /// <summary>The word after <c>mesh bench</c>.</summary>
    string Name { get; }

    string Summary { get; }

    /// <summary>How long a run lasts by default, in seconds; null when a run is a piece of work and not a time.</summary>
    double? SecondsPerRun { get; }

    Task<BenchReport> RunAsync(BenchArguments arguments);
}
