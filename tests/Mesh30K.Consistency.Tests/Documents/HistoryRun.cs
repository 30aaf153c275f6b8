using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Documents;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>
/// One random history: a document with a few elements, 3 or 4 branches, commits, merges and, when asked for, cherry-picks and rebases. Each element has
/// a name of its own, <c>e1</c>, <c>e2</c>, … A commit changes one element; values only grow, so that no branch takes a change back.
/// </summary>
internal sealed class HistoryRun
{
    private static readonly string[] Agents = ["ana", "bob", "cyd"];
    private readonly DocumentType _type;
    private readonly bool _picks;
    private readonly Random _random;
    private readonly History _history;
    private readonly StringBuilder _transcript = new();
    private readonly List<Edit> _changes = [];
    private int _names;
    private int _values;

    public HistoryRun(DocumentType type, int seed, bool picks)
    {
        _type = type;
        _picks = picks;
        _random = new Random(seed);
        _history = new History(type);
    }

    public string Transcript => _transcript.ToString();

    public void Go()
    {
        string head = _type == DocumentType.Heartbeats ? "# Agents\n\n| agent | status | updated |\n| --- | --- | --- |\n" : _type == DocumentType.Queue ? "# Queue\n\n## Now\n\n## Done\n" : "";
        Version root = _history.Commit(head);
        for (int n = 0; n < 3; n++) root = Change(root, adds: true);
        Version[] tips = [.. Enumerable.Repeat(root, 3 + _random.Next(2))];
        for (int steps = 6 + _random.Next(10); steps > 0; steps--)
        {
            int branch = _random.Next(tips.Length);
            int other = _random.Next(tips.Length);
            int kind = _random.Next(_picks ? 12 : 9);
            string what = kind < 6 ? "commit" : kind < 9 ? $"merge {other}" : kind < 11 ? "pick" : $"rebase onto {other}";
            _transcript.Append($"branch {branch}: {what}\n");
            tips[branch] = kind < 6 ? Change(tips[branch], adds: false)
                : kind < 9 ? _history.Merge(tips[branch], tips[other])
                : kind < 11 ? Pick(tips[branch])
                : _history.Rebase(tips[branch], tips[other]);
            _transcript.Append($"  = {tips[branch].Number}\n{tips[branch].Content}");
        }
        Version end = MergeAll(tips);
        Check(end.Content);
        if (_picks) return;
        Array.Reverse(tips);
        Assert.Equal(Uncontested(end.Content), Uncontested(MergeAll(tips).Content));
        _random.Shuffle(tips);
        Assert.Equal(Uncontested(end.Content), Uncontested(MergeAll(tips).Content));
    }

    /// <summary>Without the elements that one branch removed while another changed them: whether they are there depends on who saw what when.</summary>
    private string Uncontested(string content)
    {
        IEnumerable<string> contested = _changes.GroupBy(change => change.Name, StringComparer.Ordinal)
            .Where(changes => changes.Any(change => change.Verb == "removes") && !changes.Any(removal => removal.Verb == "removes" && IsLast(removal.Commit, changes)))
            .Select(changes => changes.Key);
        return string.Join('\n', content.Split('\n').Where(line => !contested.Any(name => line.Contains(name, StringComparison.Ordinal))));
    }

    private static bool IsLast(Version commit, IEnumerable<Edit> changes) => changes.All(change => History.Has(commit, change.Commit));

    private Version MergeAll(Version[] tips)
    {
        Version merged = tips[0];
        foreach (Version tip in tips[1..]) merged = _history.Join(merged, tip);
        _transcript.Append($"all, from {tips[0].Number} on:\n{merged.Content}");
        return merged;
    }

    private Version Pick(Version tip)
    {
        List<Version> candidates = [.. _history.Commits.Where(commit => commit.Parents.Count == 1 && !History.Has(tip, commit))];
        return candidates.Count == 0 ? tip : _history.Pick(tip, candidates[_random.Next(candidates.Count)]);
    }

    private Version Change(Version tip, bool adds)
    {
        List<string> lines = [.. tip.Content.Split('\n')[..^1]];
        (string name, string verb, string value) = _type switch
        {
            DocumentType.Queue => ChangeTask(lines, adds ? 0 : _random.Next(8), _changes.Count(change => change.Verb == "adds" && History.Has(tip, change.Commit)) + 1),
            DocumentType.Heartbeats => ChangeRow(lines, adds),
            DocumentType.Facts => Insert(lines, name => $$"""{"entity":"{{Agents[_random.Next(3)]}}","attribute":"a{{_random.Next(2)}}","value":"{{name}}","at":"{{Stamp(_random.Next(60))}}"}"""),
            _ => Write(lines),
        };
        Version commit = _history.Commit(string.Concat(lines.Select(line => line + "\n")), tip);
        _transcript.Append($"  {verb} {name} {value}\n");
        _changes.Add(new Edit(name, verb, value, commit));
        return commit;
    }

    private string Stamp(int second) => $"2026-11-21T07:{second:00}:00.{++_values:000}Z@{Agents[_random.Next(3)]}";

    private (string Name, string Verb, string Value) Insert(List<string> lines, Func<string, string> line)
    {
        string name = $"e{++_names}.";
        lines.Insert(_random.Next(lines.Count + 1), line(name));
        return (name, "adds", "");
    }

    /// <summary>A record, in its place, late or early; or a line below one.</summary>
    private (string Name, string Verb, string Value) Write(List<string> lines)
    {
        string name = $"e{++_names}.";
        bool isRecord = _random.Next(3) > 0;
        int at = _random.Next(3) == 0 ? _random.Next(lines.Count + 1) : lines.Count;
        while (isRecord && at < lines.Count && lines[at][0] != '2') at++; // not between a record and the lines below it
        lines.Insert(at, isRecord ? $"2026-11-21T07:00:{_random.Next(60):00}Z {name}" : $"  {name}");
        return (name, "adds", "");
    }

    private (string Name, string Verb, string Value) ChangeTask(List<string> lines, int kind, int number)
    {
        List<int> tasks = [.. Enumerable.Range(0, lines.Count).Where(n => lines[n][..Math.Min(3, lines[n].Length)] == "- [" && !lines[n].Contains(" e1.", StringComparison.Ordinal))];
        if (kind <= 1 || tasks.Count == 0)
        {
            string name = $"e{++_names}.";
            if (kind == 1) number = 50 + _names; // else two branches often take the same
            lines.Insert(lines.IndexOf("## Done") - 1, $"- [ ] [seq:{number}] {name}");
            return (name, "adds", "");
        }
        int at = tasks[_random.Next(tasks.Count)];
        string task = lines[at];
        if (kind is 2 or 5 && IsShared(task)) kind = 3;
        string of = NameIn(task);
        string value = "";
        if (kind == 2) lines.RemoveAt(at);
        else if (kind == 3) lines[at] = "- [x]" + task[5..];
        else if (kind == 4) lines[at] = task[3] == ' ' ? "- [/]" + task[5..] : task;
        else if (kind == 5) lines[at] = task[..(task.IndexOf(of, StringComparison.Ordinal) + of.Length)] + (value = $" words {++_values}");
        else if (kind == 6) lines[at] = WithDependency(task, value = $"{100 + ++_values}");
        else Move(lines, at);
        return (of, kind switch { 2 => "removes", 3 => "finishes", 4 => "claims", 5 => "rewords", 6 => "depends", _ => "moves" }, value);
    }

    /// <summary>Such a task is neither reworded nor removed: nobody could tell which of the two that have the number it was.</summary>
    private static bool IsShared(string task) => int.Parse(task["- [ ] [seq:".Length..task.IndexOf(']', 6)], CultureInfo.InvariantCulture) <= 50;

    private static string NameIn(string line)
    {
        int from = line.IndexOf("] e", StringComparison.Ordinal) + 2;
        return line[from..(line.IndexOf('.', from) + 1)];
    }

    private static string WithDependency(string task, string number) => task.Contains("[depends:", StringComparison.Ordinal)
        ? task.Replace("[depends:", $"[depends:{number},", StringComparison.Ordinal)
        : task.Replace("] e", $"] [depends:{number}] e", StringComparison.Ordinal);

    /// <summary>To the section of what is done.</summary>
    private static void Move(List<string> lines, int at)
    {
        string line = lines[at];
        lines.RemoveAt(at);
        lines.Add(line);
    }

    private (string Name, string Verb, string Value) ChangeRow(List<string> lines, bool adds)
    {
        List<int> rows = [.. Enumerable.Range(5, lines.Count - 5 + 1).Where(n => n < lines.Count && !lines[n].StartsWith("| e1.", StringComparison.Ordinal))];
        int kind = adds || rows.Count == 0 ? 0 : _random.Next(6);
        if (kind == 0)
        {
            string name = $"e{++_names}.";
            lines.Add($"| {name} | idle | {Stamp(0)} |");
            return (name, "adds", "idle");
        }
        int at = rows[_random.Next(rows.Count)];
        string of = lines[at][2..lines[at].IndexOf(" |", StringComparison.Ordinal)];
        string value = kind == 1 ? "" : $"busy {_values}";
        if (kind == 1) lines.RemoveAt(at);
        else lines[at] = $"| {of} | {value} | {Stamp(0)} |";
        return (of, kind == 1 ? "removes" : "writes", value);
    }

    private void Check(string content)
    {
        string[] lines = content.Split('\n');
        foreach (IGrouping<string, Edit> changes in _changes.GroupBy(change => change.Name, StringComparer.Ordinal))
        {
            string[] found = [.. lines.Where(line => line.Contains(changes.Key, StringComparison.Ordinal))];
            bool isRemoved = changes.Any(change => change.Verb == "removes");
            bool isGone = !_picks && changes.Any(removal => removal.Verb == "removes" && IsLast(removal.Commit, changes));
            Assert.True(found.Length > 0 || isRemoved, $"{changes.Key} is lost");
            Assert.True(found.Length == 0 || !isGone, $"{changes.Key} is back");
            Assert.True(found.Distinct(StringComparer.Ordinal).Count() == found.Length, $"{changes.Key} is doubled");
            int rewordings = changes.Count(change => change.Verb == "rewords");
            Assert.True(found.Length <= Math.Max(1, rewordings + (_picks ? 1 : 0)), $"{changes.Key} is there {found.Length} times");
            if (!_picks && !changes.Any(change => change.Verb == "finishes"))
                Assert.All(found, line => Assert.False(line.StartsWith("- [x]", StringComparison.Ordinal), $"{changes.Key} is done by nobody"));
            if (isRemoved) continue;
            if (changes.Any(change => change.Verb == "finishes")) HasAll(found, "- [x]");
            foreach (Edit change in changes.Where(change => change.Verb == "depends")) HasAll(found, change.Value);
            if (_type == DocumentType.Heartbeats) Assert.Contains($"| {changes.Key} | {changes.Last().Value} |", content, StringComparison.Ordinal);
        }
    }

    /// <summary>After a cherry-pick, a task that is there in two wordings may have a change in one of them only.</summary>
    private void HasAll(string[] found, string part)
    {
        if (_picks) Assert.Contains(found, line => line.Contains(part, StringComparison.Ordinal));
        else Assert.All(found, line => Assert.Contains(part, line, StringComparison.Ordinal));
    }

    private readonly record struct Edit(string Name, string Verb, string Value, Version Commit);
}
