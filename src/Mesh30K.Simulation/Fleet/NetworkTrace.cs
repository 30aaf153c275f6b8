namespace Mesh30K.Simulation.Fleet;

/// <summary>One recorded path: round trips in ms (NaN for a lost one) and the positions at which a person marked a new level.</summary>
public sealed record RecordedPath(string Name, float[] RttMs, IReadOnlyList<int> Shifts);

/// <summary>
/// Recorded network paths that drive the round trips of a fleet. Each agent is given a path and an offset by its seed; one send consumes
/// one recorded round trip, in absolute milliseconds, and the path wraps around. A recorded loss is a lost message.
/// Immutable; safe on any thread; may be shared by any number of fleets.
/// </summary>
public sealed class NetworkTrace
{
    /// <summary>
    /// A round trip of this many ms or more stands for a loss, as the recordings' documentation says; so does one that is not above 0,
    /// as the files themselves have it.
    /// </summary>
    public const float LossMs = 1000;

    private const int BlockLength = 8;

    private NetworkTrace(IReadOnlyList<RecordedPath> paths)
    {
        Paths = paths;
        Series = new RecordedSeries([.. paths.Select(p => p.RttMs)], [.. paths.Select(p => p.Shifts)], BlockLength);
    }

    /// <summary>The paths, in ordinal order of their names.</summary>
    public IReadOnlyList<RecordedPath> Paths { get; }

    internal RecordedSeries Series { get; }

    /// <summary>A trace of paths that are already in memory. Every path needs at least one round trip that was not lost.</summary>
    public static NetworkTrace FromPaths(IReadOnlyList<RecordedPath> paths)
    {
        ArgumentOutOfRangeException.ThrowIfZero(paths.Count);
        foreach (RecordedPath path in paths)
            RequireAnAnswer(path.Name, path.RttMs);
        return new NetworkTrace(paths);
    }

    /// <summary>
    /// Loads a folder of files <c>*.csv</c> with the header <c>epoch;rtt;cp</c>: a time (not used), the round trip in ms, and 1 where a person
    /// marked a change of level. A round trip of at least <see cref="LossMs"/>, zero or less is a loss.
    /// </summary>
    /// <exception cref="FleetInputException">The folder or a file is missing or malformed.</exception>
    public static NetworkTrace Load(string folder)
    {
        if (!Directory.Exists(folder))
            throw new FleetInputException(folder, 0, "no such folder", "a folder of .csv files with the header epoch;rtt;cp");
        string[] files = Directory.GetFiles(folder, "*.csv");
        if (files.Length == 0) throw new FleetInputException(folder, 0, "holds no .csv file", "files with the header epoch;rtt;cp");
        Array.Sort(files, StringComparer.Ordinal);
        return FromPaths([.. files.Select(LoadPath)]);
    }

    private static RecordedPath LoadPath(string file)
    {
        var table = new DelimitedFile(file, ';');
        int rtt = table.Column("rtt"), mark = table.Column("cp");
        var samples = new float[table.RowCount];
        var shifts = new List<int>();
        for (int row = 0; row < samples.Length; row++)
        {
            float ms = table.Number(row, rtt);
            samples[row] = ms is <= 0 or >= LossMs ? float.NaN : ms;
            switch (table.Text(row, mark))
            {
                case "0":
                    break;
                case "1":
                    if (row > 0) shifts.Add(row);
                    break;
                default:
                    throw new FleetInputException(file, row + 2, $"'{table.Text(row, mark)}' in column 'cp'", "0, or 1 where the level changes");
            }
        }
        RequireAnAnswer(file, samples);
        return new RecordedPath(Path.GetFileNameWithoutExtension(file), samples, shifts);
    }

    private static void RequireAnAnswer(string name, float[] samples)
    {
        if (samples.All(float.IsNaN)) throw new FleetInputException(name, 0, "every round trip was lost", "at least one answered round trip");
    }
}
