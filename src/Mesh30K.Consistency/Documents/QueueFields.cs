using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Documents;

/// <summary>The three-way joins of a task's lists.</summary>
internal static class QueueFields
{
    /// <summary>Dependencies: what both have, and what one side added; what one side removed is gone.</summary>
    public static IReadOnlyList<Dot> Join(IReadOnlyList<Dot> start, IReadOnlyList<Dot> ours, IReadOnlyList<Dot> theirs)
    {
        if (QueueTask.AreSame(start, ours) || QueueTask.AreSame(ours, theirs)) return theirs;
        if (QueueTask.AreSame(start, theirs)) return ours;
        List<Dot> joined = [];
        foreach (Dot dot in ours)
        {
            if (theirs.Contains(dot) || !start.Contains(dot)) joined.Add(dot);
        }
        foreach (Dot dot in theirs)
        {
            if (!ours.Contains(dot) && !start.Contains(dot)) joined.Add(dot);
        }
        joined.Sort();
        return joined;
    }

    /// <summary>Further fields, each key by itself: those of the base in their order, then new ones by key.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Join(
        IReadOnlyList<KeyValuePair<string, string>> start, IReadOnlyList<KeyValuePair<string, string>> ours, IReadOnlyList<KeyValuePair<string, string>> theirs)
    {
        if (QueueTask.AreSame(start, ours) || QueueTask.AreSame(ours, theirs)) return theirs;
        if (QueueTask.AreSame(start, theirs)) return ours;
        List<(string Key, int Nth)> keys = KeysOf(start);
        int known = keys.Count;
        List<(string Key, int Nth)> added = [.. KeysOf(ours).Union(KeysOf(theirs)).Except(keys)];
        added.Sort((a, b) => string.CompareOrdinal(a.Key, b.Key) is not 0 and int order ? order : a.Nth.CompareTo(b.Nth));
        keys.AddRange(added);
        List<KeyValuePair<string, string>> joined = [];
        for (int i = 0; i < keys.Count; i++)
        {
            string? was = i < known ? ValueOf(start, keys[i]) : null;
            string? value = ThreeWay.Join(was, ValueOf(ours, keys[i]), ValueOf(theirs, keys[i]));
            if (value is not null) joined.Add(new KeyValuePair<string, string>(keys[i].Key, value));
        }
        return joined;
    }

    private static List<(string Key, int Nth)> KeysOf(IReadOnlyList<KeyValuePair<string, string>> fields)
    {
        List<(string Key, int Nth)> keys = [];
        foreach (KeyValuePair<string, string> field in fields) keys.Add((field.Key, keys.Count(key => key.Key == field.Key)));
        return keys;
    }

    private static string? ValueOf(IReadOnlyList<KeyValuePair<string, string>> fields, (string Key, int Nth) key)
    {
        int nth = 0;
        foreach (KeyValuePair<string, string> field in fields)
        {
            if (field.Key == key.Key && nth++ == key.Nth) return field.Value;
        }
        return null;
    }
}
