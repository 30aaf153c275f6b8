using System.Globalization;
using System.Text;
using Mesh30K.Cli.Git;

namespace Mesh30K.Cli.Bench.Layers;

/// <summary>
/// One random history of a repository with four branches, each in a worktree of its own: commits, merges, criss-cross merges, cherry-picks, rebases; in
/// the end all branches are merged into the first. The choices depend on the seed alone, not on how git merges. Whoever meets a conflict resolves it as
/// a hurried agent does: <c>git checkout --ours</c>.
/// </summary>
internal sealed class GitHistory(LayersRun run, string mode, int seed, string folder)
{
    public const string Default = "default";
    public const string Union = "union";
    public const string Mesh = "mesh";

    private const int Branches = 4;
    private const int ReplayedMax = 8;
    private const int ContinueMax = 50;
    private static readonly string[] Documents = ["QUEUE.md", "HEARTBEATS.md", "FACTS.jsonl", "LOG.md"];

    private readonly Random _random = new(seed);
    private readonly HistoryModel _model = new();
    private readonly Dictionary<string, string> _touched = new(StringComparer.Ordinal);
    private int _operations;

    public int Merges { get; private set; }

    public int Commits { get; private set; }

    public int ConflictedMerges { get; private set; }

    public int ConflictedReplays { get; private set; }

    public async Task<(int Lost, int Duplicated, int Stale)> RunAsync(int merges)
    {
        await BeginAsync().ConfigureAwait(false);
        while (Merges < merges - Branches + 1)
        {
            int branch = _random.Next(Branches);
            int other = (branch + 1 + _random.Next(Branches - 1)) % Branches;
            int what = _random.Next(100);
            if (what < 60) await CommitAsync(branch).ConfigureAwait(false);
            else if (what < 86) await MergeAsync(branch, BranchOf(other)).ConfigureAwait(false);
            else if (what < 91 && Merges < merges - Branches) await CrissCrossAsync(branch, other).ConfigureAwait(false);
            else if (what < 96) await CherryPickAsync(branch, other).ConfigureAwait(false);
            else await RebaseAsync(branch, other).ConfigureAwait(false);
        }
        for (int other = 1; other < Branches; other++) await MergeAsync(0, BranchOf(other)).ConfigureAwait(false);
        return _model.Judge(TreeOf(0));
    }

    private static string BranchOf(int branch) => string.Create(CultureInfo.InvariantCulture, $"b{branch}");

    private string TreeOf(int branch) => Path.Combine(folder, BranchOf(branch));

    private Task<GitResult> GitAsync(int branch, params string[] arguments) => GitCommand.RunAsync(TreeOf(branch), run.Stop, arguments);

    private Task<GitResult> MustAsync(int branch, params string[] arguments) => GitCommand.ExpectAsync(TreeOf(branch), [], run.Stop, arguments);

    private async Task BeginAsync()
    {
        Directory.CreateDirectory(TreeOf(0));
        await MustAsync(0, "init", "-q", "-b", BranchOf(0)).ConfigureAwait(false);
        foreach ((string key, string value) in ((string, string)[])[("user.name", "bench"), ("user.email", "bench@localhost"), ("commit.gpgsign", "false"), ("gc.auto", "0"), ("core.hooksPath", ".git/no-hooks"), ("rerere.enabled", "false")])
            await File.AppendAllTextAsync(Path.Combine(TreeOf(0), ".git", "config"), $"[{key.Split('.')[0]}]\n\t{key.Split('.')[1]} = {value}\n", run.Stop).ConfigureAwait(false);
        StringBuilder beats = new("| agent | status | updated |\n| --- | --- | --- |\n");
        for (int branch = 0; branch < Branches; branch++)
        {
            beats.Append(CultureInfo.InvariantCulture, $"| b{branch} | idle | {HistoryModel.StampOf(0)} |\n");
            _model.Beat(BranchOf(branch), HistoryModel.StampOf(0));
        }
        string[] texts = ["# Tasks\n\n", beats.ToString(), "", "# Log\n\n"];
        for (int i = 0; i < Documents.Length; i++) await File.WriteAllTextAsync(Path.Combine(TreeOf(0), Documents[i]), texts[i], run.Stop).ConfigureAwait(false);
        if (mode == Union) await File.WriteAllTextAsync(Path.Combine(TreeOf(0), ".gitattributes"), string.Concat(Documents.Select(d => d + " merge=union\n")), run.Stop).ConfigureAwait(false);
        if (mode == Mesh) await run.RunMeshAsync(TreeOf(0), "init").ConfigureAwait(false);
        await MustAsync(0, "add", "-A").ConfigureAwait(false);
        await MustAsync(0, "commit", "-q", "-m", "start").ConfigureAwait(false);
        for (int branch = 1; branch < Branches; branch++) await MustAsync(0, "worktree", "add", "-q", "-b", BranchOf(branch), TreeOf(branch)).ConfigureAwait(false);
    }

    private async Task CommitAsync(int branch)
    {
        int operation = ++_operations;
        string? touched = Edit(branch, operation, _random.Next(10), _random.Next(int.MaxValue));
        if (touched is null) return;
        string subject = string.Create(CultureInfo.InvariantCulture, $"op {operation}");
        _touched[subject] = touched;
        Commits++;
        await MustAsync(branch, "commit", "-q", "-a", "-m", subject).ConfigureAwait(false);
    }

    /// <summary>One change to one document; null when what was to be changed is not in this branch.</summary>
    private string? Edit(int branch, int operation, int kind, int pick)
    {
        string agent = BranchOf(branch);
        string stamp = HistoryModel.StampOf(operation);
        switch (kind)
        {
            case <= 3:
                string key = string.Create(CultureInfo.InvariantCulture, $"[seq:{operation}@{agent}]");
                return Append(branch, "QUEUE.md", key, $"- [ ] {key} [agent:{agent}] task {operation}");
            case <= 6:
                return EditTask(branch, pick, remove: kind == 6);
            case 7:
                string path = Path.Combine(TreeOf(branch), "HEARTBEATS.md");
                File.WriteAllLines(path, File.ReadAllLines(path).Select(l => l.StartsWith($"| {agent} |", StringComparison.Ordinal) ? $"| {agent} | busy {operation} | {stamp} |" : l));
                _model.Beat(agent, stamp);
                return agent;
            case 8:
                string value = string.Create(CultureInfo.InvariantCulture, $"\"value\":\"{operation}\"");
                return Append(branch, "FACTS.jsonl", value, $"{{\"entity\":\"e{pick % 5}\",\"attribute\":\"a\",{value},\"at\":\"{stamp}\",\"by\":\"{agent}\"}}");
            default:
                string line = $"{stamp} {agent} did it";
                return Append(branch, "LOG.md", line, line);
        }
    }

    private string Append(int branch, string document, string key, string line)
    {
        File.AppendAllText(Path.Combine(TreeOf(branch), document), line + "\n");
        _model.Add(document, key);
        return key;
    }

    private string? EditTask(int branch, int pick, bool remove)
    {
        IReadOnlyList<string> tasks = _model.Tasks;
        if (tasks.Count == 0) return null;
        string key = tasks[pick % tasks.Count];
        string path = Path.Combine(TreeOf(branch), "QUEUE.md");
        List<string> lines = [.. File.ReadAllLines(path)];
        int at = lines.FindIndex(l => l.StartsWith("- [ ] " + key, StringComparison.Ordinal));
        if (at < 0) return null;
        if (remove)
        {
            lines.RemoveAt(at);
            _model.Remove(key);
        }
        else
        {
            lines[at] = "- [x]" + lines[at][5..];
            _model.MarkDone(key);
        }
        File.WriteAllLines(path, lines);
        return key;
    }

    private async Task MergeAsync(int branch, string with)
    {
        Merges++;
        GitResult merged = await GitAsync(branch, "merge", "-q", "--no-edit", with).ConfigureAwait(false);
        if (merged.ExitCode == 0) return;
        if (!await TakeOursAsync(branch).ConfigureAwait(false)) throw Failed("merge", merged);
        ConflictedMerges++;
        await MustAsync(branch, "commit", "-q", "--no-edit").ConfigureAwait(false);
    }

    /// <summary>Both merge what the other was before: the next merge has two bases.</summary>
    private async Task CrissCrossAsync(int branch, int other)
    {
        string tip = (await MustAsync(branch, "rev-parse", "HEAD").ConfigureAwait(false)).Text;
        await MergeAsync(branch, BranchOf(other)).ConfigureAwait(false);
        await MergeAsync(other, tip).ConfigureAwait(false);
    }

    private async Task CherryPickAsync(int branch, int other)
    {
        string[] commit = (await MustAsync(other, "log", "-1", "--no-merges", "--format=%H %s").ConfigureAwait(false)).Text.Split(' ', 2);
        if (!_touched.TryGetValue(commit[1], out string? key)) return;
        _model.Replay(key);
        await ReplayAsync(branch, "cherry-pick", commit[0]).ConfigureAwait(false);
    }

    private async Task RebaseAsync(int branch, int other)
    {
        string replayed = (await MustAsync(branch, "log", "--no-merges", "--format=%s", BranchOf(other) + "..HEAD").ConfigureAwait(false)).Text;
        string[] subjects = replayed.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (subjects.Length is 0 or > ReplayedMax) return;
        foreach (string subject in subjects) _model.Replay(_touched[subject]);
        await ReplayAsync(branch, "rebase", BranchOf(other)).ConfigureAwait(false);
    }

    private async Task ReplayAsync(int branch, string command, string onto)
    {
        GitResult result = await GitAsync(branch, command, onto).ConfigureAwait(false);
        for (int i = 0; result.ExitCode != 0; i++)
        {
            if (i == ContinueMax) throw Failed(command, result);
            if (await TakeOursAsync(branch).ConfigureAwait(false)) ConflictedReplays++;
            bool changed = (await GitAsync(branch, "diff", "--cached", "--quiet").ConfigureAwait(false)).ExitCode != 0;
            result = await GitAsync(branch, "-c", "core.editor=true", command, changed ? "--continue" : "--skip").ConfigureAwait(false);
        }
    }

    /// <summary>Resolves a conflict as a hurried agent does. In a rebase ours is what is rebased onto. False: there was none.</summary>
    private async Task<bool> TakeOursAsync(int branch)
    {
        string[] files = (await MustAsync(branch, "diff", "--name-only", "--diff-filter=U").ConfigureAwait(false)).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (files.Length == 0) return false;
        await MustAsync(branch, ["checkout", "-q", "--ours", "--", .. files]).ConfigureAwait(false);
        await MustAsync(branch, ["add", "--", .. files]).ConfigureAwait(false);
        return true;
    }

    private CliException Failed(string command, GitResult result) =>
        new(new CliError(ExitCode.NotAchieved, "git_failed", $"`git {command}` failed in {mode} with seed {seed}: {result.ErrorLine}"));
}
