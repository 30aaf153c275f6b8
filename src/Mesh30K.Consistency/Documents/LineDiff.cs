namespace Mesh30K.Consistency.Documents;

/// <summary>Which lines of one text are which of another: Myers, "An O(ND) Difference Algorithm", 1986.</summary>
internal static class LineDiff
{
    /// <summary>
    /// The most lines by which two texts may differ after their common beginning and end. Past it what is between counts as replaced as a whole, so that
    /// work (n · this) and memory (this² · 4 bytes) stay bounded.
    /// </summary>
    private const int DifferencesMax = 1_000;

    /// <summary>For each line of <paramref name="after"/> its line of <paramref name="before"/>, ascending, or -1 for a new one.</summary>
    public static int[] Match(List<string> before, List<string> after)
    {
        int[] match = new int[after.Count];
        Array.Fill(match, -1);
        int shorter = Math.Min(before.Count, after.Count);
        int head = 0;
        while (head < shorter && before[head] == after[head]) match[head] = head++;
        int tail = 0;
        while (tail < shorter - head && before[^(tail + 1)] == after[^(tail + 1)])
        {
            tail++;
            match[^tail] = before.Count - tail;
        }
        List<string> a = before.GetRange(head, before.Count - head - tail);
        List<string> b = after.GetRange(head, after.Count - head - tail);
        if (a.Count > 0 && b.Count > 0) MatchMiddle(a, b, head, match);
        return match;
    }

    private static void MatchMiddle(List<string> a, List<string> b, int head, int[] match)
    {
        int most = Math.Min(a.Count + b.Count, DifferencesMax);
        List<int[]> rounds = []; // the furthest x on each diagonal -d, -d + 2, … d, for d = 0, 1, …
        for (int d = 0; d <= most; d++)
        {
            int[] round = new int[d + 1];
            for (int i = 0; i <= d; i++)
            {
                int k = (2 * i) - d;
                int x = d == 0 ? 0 : StartOf(rounds[d - 1], d, i);
                int y = x - k;
                while (x < a.Count && y >= 0 && y < b.Count && a[x] == b[y])
                {
                    x++;
                    y++;
                }
                round[i] = x;
                if (x < a.Count || y < b.Count) continue;
                rounds.Add(round);
                Trace(a, b, rounds, i, head, match);
                return;
            }
            rounds.Add(round);
        }
    }

    /// <summary>Where round <paramref name="d"/> starts on its diagonal <paramref name="i"/>: below or right of the better neighbour.</summary>
    private static int StartOf(int[] previous, int d, int i) =>
        i == 0 || (i != d && previous[i - 1] < previous[i]) ? previous[i] : previous[i - 1] + 1;

    private static void Trace(List<string> a, List<string> b, List<int[]> rounds, int i, int head, int[] match)
    {
        int x = a.Count;
        int y = b.Count;
        for (int d = rounds.Count - 1; d >= 0; d--)
        {
            int start = d == 0 ? 0 : StartOf(rounds[d - 1], d, i);
            while (x > start)
            {
                x--;
                y--;
                match[head + y] = head + x;
            }
            if (d == 0) return;
            bool isDown = i == 0 || (i != d && rounds[d - 1][i - 1] < rounds[d - 1][i]);
            if (isDown) y--;
            else x--;
            i = isDown ? i : i - 1;
        }
    }
}
