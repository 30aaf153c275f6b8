namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// Recorded durations that drive the service times of a fleet. Each agent is given a group and an offset by its seed; one send consumes
/// one recorded duration, taken as the service time in ms at payload weight 1, and the group wraps around.
/// Immutable; safe on any thread; may be shared by any number of fleets.
/// </summary>
public sealed class ServiceTrace
{
    private const int BlockLength = 32;

    private ServiceTrace(IReadOnlyList<string> groups, IReadOnlyList<float[]> series)
    {
        Groups = groups;
        Series = new RecordedSeries(series, [.. series.Select(_ => Array.Empty<int>())], BlockLength);
    }

    /// <summary>The names of the groups, in the order in which they first appear in the file.</summary>
    public IReadOnlyList<string> Groups { get; }

    internal RecordedSeries Series { get; }

    /// <summary>A trace of groups that are already in memory: durations in ms, each above 0.</summary>
    public static ServiceTrace FromGroups(IReadOnlyList<(string Name, float[] Ms)> groups)
    {
        ArgumentOutOfRangeException.ThrowIfZero(groups.Count);
        foreach ((string name, float[] ms) in groups)
        {
            if (ms.Length == 0 || !ms.All(v => v > 0))
                throw new FleetInputException(name, 0, "no durations, or one that is not above 0", "durations in ms");
        }
        return new ServiceTrace([.. groups.Select(g => g.Name)], [.. groups.Select(g => g.Ms)]);
    }

    /// <summary>
    /// Loads durations in ms from a comma-separated file with a header row.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="column">The column of durations, or several by a prefix with <c>*</c> (<c>init_ms_*</c>), read row by row.</param>
    /// <param name="group">
    /// The column whose value names the group; several, separated by commas, are joined (<c>runtime,memory_mb,arch</c>). Without it
    /// the file is one group. An agent stays in one group, so a group should be what one machine would be.
    /// </param>
    /// <remarks>An empty cell, and a duration that is not above 0, is a request that failed: it is left out.</remarks>
    /// <exception cref="FleetInputException">The file is missing or malformed, or has no durations.</exception>
    public static ServiceTrace Load(string file, string column, string? group = null)
    {
        var table = new DelimitedFile(file, ',');
        int[] columns = table.Columns(column);
        int[] groupColumns = group is null ? [] : [.. group.Split(',', StringSplitOptions.TrimEntries).Select(table.Column)];
        var names = new List<string>();
        var byName = new Dictionary<string, List<float>>();
        for (int row = 0; row < table.RowCount; row++)
        {
            string name = groupColumns.Length == 0 ? "all" : string.Join('|', groupColumns.Select(c => table.Text(row, c)));
            foreach (int c in columns)
            {
                if (table.Text(row, c).Length == 0) continue;
                float ms = table.Number(row, c);
                if (ms <= 0) continue;
                if (!byName.TryGetValue(name, out List<float>? durations))
                {
                    byName[name] = durations = [];
                    names.Add(name);
                }
                durations.Add(ms);
            }
        }
        if (names.Count == 0)
            throw new FleetInputException(file, 0, $"no duration in column '{column}'", "at least one number of milliseconds above 0");
        return FromGroups([.. names.Select(n => (n, byName[n].ToArray()))]);
    }
}
