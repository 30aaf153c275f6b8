using System.Diagnostics;
using System.Globalization;
using System.Text;
using Mesh30K.Cli.Git;

namespace Mesh30K.Cli.Bench.Layers;

/// <summary>The same random histories under git's own merge, its union merge, and the merge driver of mesh; and one large merge.</summary>
internal static class GitScenarios
{
    private const int MergesPerHistory = 50;
    private const int Lines = 10_000;
    private const int Runs = 7;

    public static async Task<LayersScenario> RunAsync(LayersRun run, string mode, int merges)
    {
        string name = "git/" + mode;
        int histories = (merges + MergesPerHistory - 1) / MergesPerHistory;
        run.Note($"{name}: {merges} merges in {histories} histories …");
        string folder = run.NewFolder(name);
        LayersScenario sum = new(name) { Writers = 4, Ours = mode == GitHistory.Mesh };
        long started = Stopwatch.GetTimestamp();
        Lock gate = new();
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = run.Stop };
        await Parallel.ForEachAsync(Enumerable.Range(0, histories), parallel, async (h, _) =>
        {
            string own = Path.Combine(folder, h.ToString(CultureInfo.InvariantCulture));
            GitHistory history = new(run, mode, (run.Seed * 10_000) + h, own);
            (int lost, int doubled, int stale) = await history.RunAsync(Math.Min(MergesPerHistory, merges - (h * MergesPerHistory))).ConfigureAwait(false);
            lock (gate)
            {
                sum = sum with
                {
                    Writes = sum.Writes + history.Commits,
                    Merges = sum.Merges + history.Merges,
                    ConflictedMerges = sum.ConflictedMerges + history.ConflictedMerges,
                    ConflictedReplays = sum.ConflictedReplays + history.ConflictedReplays,
                    Lost = sum.Lost + lost,
                    Duplicated = sum.Duplicated + doubled,
                    Stale = sum.Stale + stale,
                };
            }
            if (lost + doubled + stale == 0) Directory.Delete(own, recursive: true);
        }).ConfigureAwait(false);
        return sum with { Ms = Stopwatch.GetElapsedTime(started).TotalMilliseconds };
    }

    /// <summary>A queue of 10,000 lines, on each side 1,000 changed: 700 marked done, 150 removed, 150 added. Each way of merging, whole process.</summary>
    public static async Task<IReadOnlyList<LayersScenario>> LargeQueueAsync(LayersRun run)
    {
        run.Note($"queue_10k: {Runs} merges each …");
        string folder = run.NewFolder("queue_10k");
        LargeQueue queue = new(run.Seed, Lines);
        foreach ((string name, string text) in ((string, string)[])[("base", queue.Base), ("a", queue.Ours), ("b", queue.Theirs)])
            await File.WriteAllTextAsync(Path.Combine(folder, name), text, run.Stop).ConfigureAwait(false);

        double defaultMs = await MedianAsync(() => TimeGitAsync(run, folder)).ConfigureAwait(false);
        string conflict = (await GitCommand.RunAsync(folder, run.Stop, ["merge-file", "-p", "-q", "a", "base", "b"]).ConfigureAwait(false)).Text;
        string hurried = (await GitCommand.RunAsync(folder, run.Stop, ["merge-file", "-p", "-q", "--ours", "a", "base", "b"]).ConfigureAwait(false)).Text;
        double unionMs = await MedianAsync(() => TimeGitAsync(run, folder, "--union")).ConfigureAwait(false);
        string union = (await GitCommand.RunAsync(folder, run.Stop, ["merge-file", "-p", "-q", "--union", "a", "base", "b"]).ConfigureAwait(false)).Text;
        string merged = Path.Combine(folder, "merged");
        double meshMs = await MedianAsync(async () =>
        {
            File.Copy(Path.Combine(folder, "a"), merged, overwrite: true);
            return await run.RunMeshAsync(folder, "state", "merge", "--driver", "--type=queue", "--path=QUEUE.md", "--", "base", "merged", "b").ConfigureAwait(false);
        }).ConfigureAwait(false);
        return
        [
            queue.Judge("queue_10k/default", hurried) with { Ms = defaultMs, ConflictedMerges = conflict.Split('\n').Count(l => l.StartsWith("<<<<<<< ", StringComparison.Ordinal)) },
            queue.Judge("queue_10k/union", union) with { Ms = unionMs },
            queue.Judge("queue_10k/mesh", await File.ReadAllTextAsync(merged, run.Stop).ConfigureAwait(false)) with { Ms = meshMs, Ours = true },
        ];
    }

    private static async Task<double> TimeGitAsync(LayersRun run, string folder, params string[] options)
    {
        long started = Stopwatch.GetTimestamp();
        await GitCommand.RunAsync(folder, run.Stop, ["merge-file", "-p", "-q", .. options, "a", "base", "b"]).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static async Task<double> MedianAsync(Func<Task<double>> measure)
    {
        double[] values = new double[Runs];
        for (int i = 0; i < Runs; i++) values[i] = await measure().ConfigureAwait(false);
        Array.Sort(values);
        return values[Runs / 2];
    }

    /// <summary>The three versions of the large queue, and what their merge has to be.</summary>
    private sealed class LargeQueue
    {
        private const int Done = 700;
        private const int Removed = 150;
        private const int Added = 150;

        private readonly int _lines;
        private readonly List<(HashSet<int> Done, HashSet<int> Removed)> _sides = [];

        public LargeQueue(int seed, int lines)
        {
            _lines = lines;
            Base = TextOf([], [], "");
            Ours = Side(new Random((seed * 2) + 1), "a");
            Theirs = Side(new Random((seed * 2) + 2), "b");
        }

        public string Base { get; }

        public string Ours { get; }

        public string Theirs { get; }

        public LayersScenario Judge(string name, string text)
        {
            Dictionary<string, List<bool>> there = new(StringComparer.Ordinal);
            foreach (string line in text.Split('\n').Where(l => l.StartsWith("- [", StringComparison.Ordinal)))
            {
                string key = line[6..(line.IndexOf(']', 6) + 1)];
                if (!there.TryGetValue(key, out List<bool>? marks)) there.Add(key, marks = []);
                marks.Add(line[3] == 'x');
            }
            int lost = 0;
            int stale = 0;
            for (int i = 1; i <= _lines; i++)
            {
                bool removed = _sides.Exists(s => s.Removed.Contains(i));
                bool done = _sides.Exists(s => s.Done.Contains(i));
                List<bool>? marks = there.GetValueOrDefault(KeyOf(i, ""));
                if (removed && done) continue;
                if (removed) stale += marks is null ? 0 : 1;
                else if (marks is null) lost++;
                else if (done && marks.Contains(false)) stale++;
            }
            foreach (string side in (string[])["@a", "@b"]) lost += Enumerable.Range(1, Added).Count(i => !there.ContainsKey(KeyOf(i, side)));
            return new LayersScenario(name) { Writers = 2, Writes = 2 * (Done + Removed + Added), Merges = 1, Lost = lost, Stale = stale, Duplicated = there.Values.Count(m => m.Count > 1) };
        }

        private static string KeyOf(int number, string writer) => string.Create(CultureInfo.InvariantCulture, $"[seq:{number}{writer}]");

        private string Side(Random random, string name)
        {
            int[] changed = [.. Enumerable.Range(1, _lines)];
            random.Shuffle(changed);
            (HashSet<int> Done, HashSet<int> Removed) side = ([.. changed[..Done]], [.. changed[Done..(Done + Removed)]]);
            _sides.Add(side);
            return TextOf(side.Done, side.Removed, string.Concat(Enumerable.Range(1, Added).Select(i => $"- [ ] {KeyOf(i, "@" + name)} new task {i} of {name}\n")));
        }

        private string TextOf(HashSet<int> done, HashSet<int> removed, string more)
        {
            StringBuilder text = new("# Tasks\n\n");
            for (int i = 1; i <= _lines; i++)
            {
                if (!removed.Contains(i)) text.Append("- [").Append(done.Contains(i) ? 'x' : ' ').Append("] ").Append(KeyOf(i, "")).Append(CultureInfo.InvariantCulture, $" task {i}\n");
            }
            return text.Append(more).ToString();
        }
    }
}
