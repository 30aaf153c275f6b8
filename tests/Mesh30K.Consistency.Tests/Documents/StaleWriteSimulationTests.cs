using System.Text;
using Mesh30K.Consistency.Documents;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>
/// Several writers who read, think, and write the whole file back; a watcher that polls at random times. What lived shorter than the time between two
/// polls is lost, and counted apart.
/// </summary>
public sealed class StaleWriteSimulationTests(ITestOutputHelper output)
{
    private const int Cases = 150;

    /// <summary>
    /// Writers who also mark and tidy up can by chance do what looks like another's doing: a mark that two set, an entry that two remove. Then the
    /// likeliest base is the wrong one, once in thousands of writes, and more often the less of the versions the watcher sees.
    /// </summary>
    [Theory]
    [InlineData(true, 0, 0)] // the watcher polls as often as writers write
    [InlineData(true, 5, 0)] // far more seldom
    [InlineData(false, 0, 3)]
    [InlineData(false, 5, 20)]
    public void What_the_watcher_saw_is_not_lost_and_never_doubled(bool addsOnly, int pollsMissed, int lostMax)
    {
        int unseen = 0;
        int writes = 0;
        List<string> lost = [];
        for (int seed = 1; seed <= Cases; seed++)
        {
            Simulation run = new(seed, pollsMissed, addsOnly);
            run.Run();
            Assert.True(run.Doubled.Count == 0, $"doubled {string.Join(", ", run.Doubled)}; replay: seed {seed}, polls missed {pollsMissed}\n{run.Transcript}");
            lost.AddRange(run.Lost.Select(l => $"{l}, replay: seed {seed}"));
            unseen += run.Unseen;
            writes += run.Writes;
        }
        output.WriteLine($"{writes} writes, {unseen} overwritten before the watcher saw them, {lost.Count} lost though it had");
        Assert.True(lost.Count <= lostMax, string.Join('\n', lost));
    }

    private sealed class Simulation(int seed, int pollsMissed, bool addsOnly)
    {
        private const int Steps = 120;
        private const int Writers = 5;

        private readonly Random _random = new(seed);
        private readonly VersionHistory _history = new(DocumentType.Queue, new HistoryOptions());
        private readonly string?[] _read = new string?[Writers];
        private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
        private readonly HashSet<string> _removed = new(StringComparer.Ordinal);
        private readonly HashSet<string> _done = new(StringComparer.Ordinal);
        private readonly HashSet<string> _written = new(StringComparer.Ordinal);
        private string _file = "# Tasks\n- [ ] [seq:1@start] start\n";
        private double _seconds;

        public StringBuilder Transcript { get; } = new();

        public List<string> Lost { get; } = [];

        public List<string> Doubled { get; } = [];

        public int Writes { get; private set; }

        public int Unseen { get; private set; }

        public void Run()
        {
            Poll();
            for (int step = 0; step < Steps; step++)
            {
                _seconds += _random.NextDouble() * 20;
                int writer = _random.Next(Writers);
                if (_read[writer] is not { } read)
                {
                    _read[writer] = _file;
                    Transcript.AppendLine(System.Globalization.CultureInfo.InvariantCulture, $"t={_seconds:0}s w{writer} reads {_file.ReplaceLineEndings(" ")}");
                }
                else
                {
                    _file = Edit(read, writer);
                    _read[writer] = null;
                    Writes++;
                    Transcript.AppendLine(System.Globalization.CultureInfo.InvariantCulture, $"t={_seconds:0}s w{writer} writes {_file.ReplaceLineEndings(" ")}");
                }
                if (_random.Next(pollsMissed + 1) == 0) Poll();
            }
            Poll();
            Judge();
        }

        private string Edit(string read, int writer)
        {
            List<string> lines = [.. read.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
            int open = lines.FindIndex(l => l.StartsWith("- [ ]", StringComparison.Ordinal) && _random.Next(3) == 0);
            int old = lines.FindIndex(l => l.StartsWith("- [x]", StringComparison.Ordinal));
            switch (addsOnly ? 5 : _random.Next(6))
            {
                case 0 when open >= 0:
                    lines[open] = lines[open].Replace("[ ]", "[x]", StringComparison.Ordinal);
                    break;
                case 1 when old >= 0 && lines.Count > 4:
                    _removed.Add(KeyOf(lines[old]));
                    lines.RemoveAt(old);
                    if (_random.Next(2) == 0) Add(lines, writer); // tidies up and adds in one write
                    break;
                default:
                    Add(lines, writer);
                    break;
            }
            return string.Join('\n', lines) + "\n";
        }

        private void Add(List<string> lines, int writer)
        {
            string line = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"- [ ] [seq:{Writes + 2}@w{writer}] task");
            _written.Add(KeyOf(line));
            lines.Insert(_random.Next(1, lines.Count + 1), line);
        }

        private void Poll()
        {
            byte[] content = Encoding.UTF8.GetBytes(_file);
            foreach (string line in Tasks(_file))
            {
                _seen.Add(KeyOf(line));
                if (line.StartsWith("- [x]", StringComparison.Ordinal)) _done.Add(KeyOf(line));
            }
            Instant now = Instant.FromUnixMs(1_800_000_000_000 + (_seconds * 1000));
            if (_history.Last is null)
            {
                Keep(content, now, VersionOrigin.Written, 0);
                return;
            }
            WriteVerdict verdict = StaleWrite.Judge(_history, content, now, TimeSpan.FromSeconds(30), new MergeOptions());
            Transcript.AppendLine(System.Globalization.CultureInfo.InvariantCulture, $"t={_seconds:0}s watcher: {verdict.Kind}, base {verdict.Base} of {_history.Last!.Number}");
            switch (verdict.Kind)
            {
                case WriteKind.Unchanged:
                    break;
                case WriteKind.Ordinary:
                    if (verdict.IsRollback) Accept(verdict); // exactly an older version, long after: taken as meant
                    Keep(content, now, VersionOrigin.Written, verdict.Base);
                    break;
                case WriteKind.Stale:
                    Keep(content, now, VersionOrigin.Stale, verdict.Base);
                    Keep(verdict.Merged!, now, VersionOrigin.Merged, _history.Last.Number);
                    _file = Encoding.UTF8.GetString(verdict.Merged!);
                    Transcript.AppendLine(System.Globalization.CultureInfo.InvariantCulture, $"         merged {_file.ReplaceLineEndings(" ")}");
                    break;
                default:
                    Assert.Fail($"{verdict.Kind}: {verdict.Failure}; replay: seed {seed}");
                    break;
            }
        }

        private void Accept(WriteVerdict rollback)
        {
            foreach (DocumentElement element in rollback.Overwritten)
            {
                _removed.Add(element.Key);
                _done.Remove(element.Key);
            }
        }

        private void Keep(byte[] content, Instant now, VersionOrigin origin, long start) =>
            _history.Add(new SeenVersion((_history.Last?.Number ?? 0) + 1, content, now, origin, start));

        private void Judge()
        {
            List<string> there = [.. Tasks(_file)];
            HashSet<string> keys = [.. there.Select(KeyOf)];
            HashSet<string> doneThere = [.. there.Where(l => l.StartsWith("- [x]", StringComparison.Ordinal)).Select(KeyOf)];
            Lost.AddRange(_seen.Where(k => !_removed.Contains(k) && !keys.Contains(k)).Order(StringComparer.Ordinal));
            Lost.AddRange(_done.Where(k => keys.Contains(k) && !doneThere.Contains(k)).Select(k => "done mark of " + k).Order(StringComparer.Ordinal));
            Doubled.AddRange(there.GroupBy(KeyOf, StringComparer.Ordinal).Where(g => g.Count() > 1).Select(g => g.Key));
            Unseen = _written.Count(k => !_seen.Contains(k));
        }

        private static IEnumerable<string> Tasks(string file) => file.Split('\n').Where(l => l.StartsWith("- ", StringComparison.Ordinal));

        private static string KeyOf(string line) => line[line.IndexOf("[seq", StringComparison.Ordinal)..];
    }
}
