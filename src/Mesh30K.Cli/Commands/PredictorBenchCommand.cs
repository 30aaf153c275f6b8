using System.CommandLine;
using Mesh30K.Simulation.Prediction;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Scores the production estimator and the usual baselines on recorded series, one step ahead.</summary>
internal sealed class PredictorBenchCommand : VerbCommand
{
    private readonly Option<string> _series = new("--series") { Description = "A file, or a folder of .csv files", HelpName = "path", Required = true };
    private readonly Option<string?> _format = new("--format") { Description = "ripe (epoch;rtt;cp) or csv (default: what the header shows)", HelpName = "name" };
    private readonly Option<string?> _column = new("--column") { Description = "csv: the columns of milliseconds, joined by commas; * stands for any text", HelpName = "name" };
    private readonly Option<string?> _group = new("--group") { Description = "csv: the columns whose values tell series apart, joined by commas", HelpName = "name" };

    public PredictorBenchCommand()
        : base("predictor", "Score the delay estimator on recorded series")
    {
        _format.AcceptOnlyFromAmong("ripe", "csv");
        Add(_series);
        Add(_format);
        Add(_column);
        Add(_group);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh bench predictor --series rtt/ --format ripe", "mesh bench predictor --series calls.csv --column init_ms_* --group runtime --json"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        string path = run.PathOf(run.Parse.GetRequiredValue(_series));
        bool ripe = run.Parse.GetValue(_format) is { } format ? format == "ripe" : Try(() => RecordedSeries.FormatOf(path)) == SeriesFormat.Ripe;
        if (!ripe && run.Parse.GetValue(_column) is null)
            throw new CliException(new CliError(ExitCode.Usage, "column_missing", "--column is missing: a csv file needs the column of milliseconds", "See `mesh bench predictor --help`."));
        if (ripe && (run.Parse.GetValue(_column) ?? run.Parse.GetValue(_group)) is not null)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", "--column and --group belong to --format csv"));
        PredictorResult result = Try(() => PredictorBenchmark.Run(RecordedSeries.Read(new SeriesRequest
        {
            Path = path,
            Format = ripe ? SeriesFormat.Ripe : SeriesFormat.Csv,
            Columns = run.Parse.GetValue(_column),
            Groups = run.Parse.GetValue(_group),
        })));
        run.Output.Result(result, console => Render(console, result));
        return Task.FromResult(ExitCode.Ok);
    }

    private static T Try<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (PredictionInputException wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "bad_series", wrong.Message.ReplaceLineEndings(" ")));
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "bad_series", unreadable.Message.ReplaceLineEndings(" "), "Name a file that you may read."));
        }
    }

    private static void Render(IAnsiConsole console, PredictorResult result)
    {
        Table table = new Table().Border(TableBorder.None).AddColumns($"{result.Series} series, {result.Samples} samples", "pinball", "relative", "coverage", "width ms", "error ms");
        void Row(string name, PredictorScore s)
        {
            IEnumerable<string> cells = ((double[])[s.Pinball, s.PinballRelative, s.Coverage, s.WidthMs, s.MaeMs]).Select(v => v.ToString("G5", System.Globalization.CultureInfo.InvariantCulture));
            table.AddRow([name, .. cells]);
        }
        Row("learned", result.Learned);
        Row("ring100", result.Baselines.Ring100);
        Row("jacobson", result.Baselines.Jacobson);
        Row("spec", result.Baselines.Spec);
        console.Write(table);
    }
}
