namespace Mesh30K.Coordination.Tests.Impedance.Estimation;

/// <summary>A stationary law of delays with its true quantiles (from 200,000 draws), for scores as ratios to an oracle.</summary>
internal sealed class Law
{
    private readonly Func<Random, double> _draw;
    private readonly double[] _sorted;

    private Law(string name, Func<Random, double> draw)
    {
        Name = name;
        _draw = draw;
        var random = new Random(20_261);
        _sorted = new double[200_000];
        for (int i = 0; i < _sorted.Length; i++) _sorted[i] = draw(random);
        Array.Sort(_sorted);
    }

    public string Name { get; }

    public static Law Named(string name) => new(name, name switch
    {
        "normal" => r => Math.Max(0, 100 + (10 * Normal(r))),
        "lognormal 0.2" => r => 100 * Math.Exp(0.2 * Normal(r)),
        "lognormal 0.5" => r => 100 * Math.Exp(0.5 * Normal(r)),
        "lognormal 1" => r => 100 * Math.Exp(Normal(r)),
        "exponential" => r => Exponential(r, 100),
        "gamma 3" => r => Exponential(r, 30) + Exponential(r, 30) + Exponential(r, 30),
        "pareto 2.1" => r => 100 * Math.Pow(1 - r.NextDouble(), -1 / 2.1),
        "pareto 3" => r => 100 * Math.Pow(1 - r.NextDouble(), -1 / 3.0),
        "uniform" => r => 50 + (100 * r.NextDouble()),
        _ => throw new ArgumentException(name, nameof(name)),
    });

    public float Next(Random random) => (float)_draw(random);

    public double Quantile(double level) => _sorted[(int)(level * _sorted.Length)];

    public static double Pinball(double value, double quantile, double level) =>
        Math.Max(level * (value - quantile), (level - 1) * (value - quantile));

    public static double Normal(Random r) =>
        Math.Sqrt(-2 * Math.Log(1 - r.NextDouble())) * Math.Cos(2 * Math.PI * r.NextDouble());

    private static double Exponential(Random r, double mean) => -mean * Math.Log(1 - r.NextDouble());
}
