namespace Mesh30K.Simulation.Prediction;

/// <summary>How a file of measurements is written.</summary>
public enum SeriesFormat
{
    /// <summary><c>epoch;rtt;cp</c> with a header: read as one series a file; rtt ≥ 1000 or below 0 stands for a loss and is skipped.</summary>
    Ripe,

    /// <summary>Comma-separated with a header row that names the columns: read by column name, split into series by groups.</summary>
    Csv,
}

/// <summary>What to read. Immutable.</summary>
public sealed record SeriesRequest
{
    /// <summary>A file, or a folder whose <c>*.csv</c> files (not those of folders inside it) are read in ordinal order of name.</summary>
    public required string Path { get; init; }

    /// <summary>How the file is written. Default <see cref="SeriesFormat.Csv"/>.</summary>
    public SeriesFormat Format { get; init; } = SeriesFormat.Csv;

    /// <summary>
    /// Csv only, required there: the columns with values, comma-separated; <c>*</c> stands for any text (<c>init_ms_*</c>). The values of a
    /// row come in the order of its columns; an empty cell is a missing value and skipped.
    /// </summary>
    public string? Columns { get; init; }

    /// <summary>
    /// Csv only: columns, comma-separated, whose distinct combined values split the rows into series. Null: one series a file.
    /// Rows of a group are taken over all files of a folder, in order.
    /// </summary>
    public string? Groups { get; init; }
}

/// <summary>One recorded series: a name for messages and its values in the order of recording, non-negative, in the unit of the file.</summary>
public sealed record RecordedSeries(string Name, IReadOnlyList<float> Values)
{
    /// <summary>
    /// Reads all series of a request, in order of first appearance.
    /// </summary>
    /// <exception cref="PredictionInputException">Something cannot be read; nothing is returned then.</exception>
    public static IReadOnlyList<RecordedSeries> Read(SeriesRequest request)
    {
        var found = new SeriesCollector();
        foreach (string file in FilesOf(request.Path))
        {
            if (request.Format == SeriesFormat.Ripe) RipeReader.Read(file, found);
            else CsvSeriesReader.Read(file, request.Columns, request.Groups, found);
        }
        return found.ToSeries(request.Path);
    }

    /// <summary>The format that the header of the first file shows: semicolons make it <see cref="SeriesFormat.Ripe"/>.</summary>
    /// <exception cref="PredictionInputException">There is no such file or folder.</exception>
    public static SeriesFormat FormatOf(string path)
    {
        string? header = File.ReadLines(FilesOf(path)[0]).FirstOrDefault();
        return header is not null && header.StartsWith("epoch;rtt", StringComparison.OrdinalIgnoreCase) ? SeriesFormat.Ripe : SeriesFormat.Csv;
    }

    private static IReadOnlyList<string> FilesOf(string path)
    {
        if (File.Exists(path)) return [path];
        if (!Directory.Exists(path)) throw new PredictionInputException(path, 0, "no such file or folder", "a file or a folder of .csv files");
        string[] files = Directory.GetFiles(path, "*.csv");
        if (files.Length == 0) throw new PredictionInputException(path, 0, "a folder without .csv files", "at least one .csv file");
        Array.Sort(files, StringComparer.Ordinal);
        return files;
    }
}

/// <summary>Gathers values by series name, keeping the order of first appearance. Used by one reader at a time.</summary>
internal sealed class SeriesCollector
{
    private readonly Dictionary<string, List<float>> _byName = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    public void Add(string name, float value)
    {
        if (!_byName.TryGetValue(name, out List<float>? values))
        {
            values = [];
            _byName.Add(name, values);
            _names.Add(name);
        }
        values.Add(value);
    }

    public IReadOnlyList<RecordedSeries> ToSeries(string path)
    {
        if (_names.Count == 0) throw new PredictionInputException(path, 0, "no values", "at least one row with a value");
        var series = new List<RecordedSeries>(_names.Count);
        foreach (string name in _names) series.Add(new RecordedSeries(name, _byName[name]));
        return series;
    }
}
