using System.Globalization;

namespace Mesh30K.Cli.Bench.Layers;

/// <summary>
/// What became of the elements of a history, as far as it is certain: the judge of the git scenarios. Where a removal met a change or a replayed commit
/// of the same element, both outcomes are right, and it is not judged.
/// </summary>
internal sealed class HistoryModel
{
    private readonly Dictionary<string, Element> _elements = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _cells = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Tasks => [.. _elements.Where(e => e.Value.Document == "QUEUE.md").Select(e => e.Key)];

    public void Add(string document, string key) => _elements.Add(key, new Element(document));

    public void MarkDone(string key) => _elements[key].Done = true;

    public void Remove(string key) => _elements[key].Removed = true;

    /// <summary>The commit that touched it was applied a second time: rebase, cherry-pick.</summary>
    public void Replay(string key)
    {
        if (_elements.TryGetValue(key, out Element? element)) element.Replayed = true;
    }

    /// <summary>A row of the heartbeats; later stamps are larger.</summary>
    public void Beat(string agent, string stamp) => _cells[agent] = stamp;

    /// <summary>Judges the documents in a folder.</summary>
    public (int Lost, int Duplicated, int Stale) Judge(string folder)
    {
        Dictionary<string, string[]> lines = _elements.Values.Select(e => e.Document).Append("HEARTBEATS.md").Distinct(StringComparer.Ordinal)
            .ToDictionary(d => d, d => File.ReadAllLines(Path.Combine(folder, d)), StringComparer.Ordinal);
        int lost = 0;
        int doubled = 0;
        int stale = 0;
        foreach ((string key, Element element) in _elements)
        {
            List<string> there = [.. lines[element.Document].Where(l => l.Contains(key, StringComparison.Ordinal))];
            if (there.Count > 1) doubled++;
            if (element.Removed)
            {
                if (there.Count > 0 && !element.Replayed && !element.Done) stale++;
                continue;
            }
            if (there.Count == 0) lost++;
            else if (element.Done && there.Exists(l => !l.StartsWith("- [x]", StringComparison.Ordinal))) stale++;
        }
        foreach ((string agent, string stamp) in _cells)
        {
            List<string> rows = [.. lines["HEARTBEATS.md"].Where(l => l.Contains($"| {agent} |", StringComparison.Ordinal))];
            if (rows.Count == 0) lost++;
            if (rows.Count > 1) doubled++;
            if (rows.Exists(l => !l.Contains(stamp, StringComparison.Ordinal))) stale++;
        }
        return (lost, doubled, stale);
    }

    /// <summary>The moment of the n-th operation, as it is written.</summary>
    public static string StampOf(int operation) => new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(operation).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private sealed class Element(string document)
    {
        public string Document { get; } = document;

        public bool Done { get; set; }

        public bool Removed { get; set; }

        public bool Replayed { get; set; }
    }
}
