using System.Globalization;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>
/// The keys that clients work on: a few at a time, each for a while, so that many clients meet on a key and the search for an order stays small. Remembers the last value seen of each
/// live key, for compare-and-set. Thread-safe.
/// </summary>
internal sealed class ClusterKeys
{
    /// <summary>Keys at once.</summary>
    private const int LiveKeys = 4;

    /// <summary>Operations on a key before another takes its place: more would make the search for an order longer.</summary>
    private const int UsesMax = 80;

    private readonly Lock _gate = new();
    private readonly Live[] _live = [.. Enumerable.Range(0, LiveKeys).Select(i => new Live(NameOf(i, 0)))];
    private readonly List<string> _all = [];
    private int _generation;

    public ClusterKeys() => _all.AddRange(_live.Select(l => l.Key));

    /// <summary>Every key there ever was, also those of <see cref="Own"/>, in the order of their first use.</summary>
    public IReadOnlyList<string> All
    {
        get
        {
            lock (_gate) return [.. _all];
        }
    }

    /// <summary>A live key, with what was last seen in it.</summary>
    public (string Key, SeenValue? Seen) Take(Random random)
    {
        lock (_gate)
        {
            int slot = random.Next(LiveKeys);
            if (_live[slot].Uses >= UsesMax)
            {
                _live[slot] = new Live(NameOf(slot, ++_generation));
                _all.Add(_live[slot].Key);
            }
            _live[slot].Uses++;
            return (_live[slot].Key, _live[slot].Seen);
        }
    }

    /// <summary>A key that nobody else uses and that is written once: it has to be there at the end.</summary>
    public string Own(int client, long number)
    {
        string key = string.Create(CultureInfo.InvariantCulture, $"own-{client:D2}-{number:D7}");
        lock (_gate) _all.Add(key);
        return key;
    }

    /// <summary>Notes what was seen in a key; nothing if the key is no longer live.</summary>
    public void Saw(string key, SeenValue? seen)
    {
        lock (_gate)
        {
            if (Array.Find(_live, l => l.Key == key) is { } live) live.Seen = seen;
        }
    }

    private static string NameOf(int slot, int generation) => string.Create(CultureInfo.InvariantCulture, $"key-{slot}-{generation:D6}");

    private sealed class Live(string key)
    {
        public string Key => key;

        public int Uses { get; set; }

        public SeenValue? Seen { get; set; }
    }
}

/// <summary>A value with its version, as a reply told them.</summary>
internal sealed record SeenValue(string Value, long Version);
