namespace Mesh30K.Node.Api;

/// <summary>Finds the name that somebody most likely meant.</summary>
public static class Nearest
{
    private const int WordCharsMax = 64;

    /// <summary>
    /// The candidate with the smallest edit distance to <paramref name="word"/> (insert, delete, replace, swap of neighbours; case is ignored),
    /// or null when none is within a third of its length, at least two edits. A candidate that starts with the word also counts as near.
    /// </summary>
    public static string? To(string word, IEnumerable<string> candidates)
    {
        if (word.Length is 0 or > WordCharsMax) return null;
        string? best = null;
        int bestDistance = int.MaxValue;
        foreach (string candidate in candidates)
        {
            int distance = Distance(word.ToLowerInvariant(), candidate.ToLowerInvariant());
            bool prefix = word.Length >= 2 && candidate.StartsWith(word, StringComparison.OrdinalIgnoreCase);
            bool near = prefix || (distance <= Math.Max(2, candidate.Length / 3) && distance < Math.Max(word.Length, candidate.Length));
            if (!near || distance >= bestDistance) continue;
            best = candidate;
            bestDistance = distance;
        }
        return best;
    }

    /// <summary>"Did you mean …?" for the nearest candidate, or null.</summary>
    public static string? Question(string word, IEnumerable<string> candidates) => To(word, candidates) is { } near ? $"Did you mean \"{near}\"?" : null;

    /// <summary>The optimal string alignment distance.</summary>
    private static int Distance(string a, string b)
    {
        int[,] d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (int j = 0; j <= b.Length; j++) d[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int replace = d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                d[i, j] = Math.Min(replace, Math.Min(d[i - 1, j], d[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }
        return d[a.Length, b.Length];
    }
}
