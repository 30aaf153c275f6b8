using System.Text.Json;
using Mesh30K.Cli.Tests.Git;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class StateVerbTests
{
    private const string Start = "2026-01-01T00:00:00Z start\n";

    [Fact]
    public async Task A_name_that_does_not_tell_the_type_is_named()
    {
        using TemporaryFolder folder = new();
        CommandLineRun run = await CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, "state", "merge", "a", "b.md", "c");
        Assert.Contains("the name b.md does not", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Merge_writes_the_result_to_stdout_or_replaces_a_file_and_counts()
    {
        using TemporaryFolder folder = new();
        folder.Write("base", Start);
        folder.Write("LOG.md", Start + "2026-01-02T00:00:00Z ours\n");
        folder.Write("theirs", Start + "2026-01-03T00:00:00Z theirs\n");
        const string both = Start + "2026-01-02T00:00:00Z ours\n2026-01-03T00:00:00Z theirs\n";
        CommandLineRun plain = await InAsync(folder, "state", "merge", "base", "LOG.md", "theirs");
        Assert.Equal((ExitCode.Ok, both, ""), (plain.Exit, plain.Out, plain.Error));

        JsonElement json = (await InAsync(folder, "state", "merge", "base", "LOG.md", "theirs", "--json")).Json();
        Assert.Equal((1, 0, 0), (json.GetProperty("added").GetInt32(), json.GetProperty("changed").GetInt32(), json.GetProperty("removed").GetInt32()));
        Assert.Equal(both, json.GetProperty("content").GetString());

        CommandLineRun check = await InAsync(folder, "state", "merge", "base", "LOG.md", "theirs", "--check", "--output", "LOG.md");
        Assert.Equal(ExitCode.Ok, check.Exit);
        Assert.DoesNotContain("theirs", File.ReadAllText(Path.Combine(folder.FullName, "LOG.md")), StringComparison.Ordinal);
        Assert.Equal(ExitCode.Ok, (await InAsync(folder, "state", "merge", "base", "LOG.md", "theirs", "--output", "new")).Exit);
        Assert.Equal(both, File.ReadAllText(Path.Combine(folder.FullName, "new")));
        await InAsync(folder, "state", "merge", "base", "LOG.md", "theirs", "--output", "LOG.md");
        Assert.Equal(both, File.ReadAllText(Path.Combine(folder.FullName, "LOG.md")));
        Assert.Equal(["LOG.md", "base", "new", "theirs"], Names(folder));
    }

    [Fact]
    public async Task Merge_says_which_file_and_line_is_wrong_and_writes_nothing()
    {
        using TemporaryFolder folder = new();
        folder.Write("base", "");
        folder.Write("ours", "");
        folder.Write("theirs", Start + "<<<<<<< x\na\n=======\nb\n>>>>>>> y\n");
        CommandLineRun run = await InAsync(folder, "state", "merge", "base", "ours", "theirs", "--type", "log", "--output", "out");
        Assert.Equal((ExitCode.NotAchieved, ""), (run.Exit, run.Out));
        Assert.StartsWith("mesh: theirs, theirs, line 2: ", run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder.FullName, "out")));
        CommandLineRun json = await InAsync(folder, "state", "merge", "base", "ours", "theirs", "--type", "log", "--json");
        Assert.Equal("conflict_markers", json.Json().GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_name_that_tells_no_type_a_missing_file_and_a_file_too_large_are_refused()
    {
        using TemporaryFolder folder = new();
        folder.Write("a", "");
        string large = folder.Write("LOG.md", "");
        using (FileStream file = File.OpenWrite(large)) file.SetLength(SharedDocument.BytesMax + 1L);
        foreach ((string[] args, string code) in ((string[], string)[])
        [
            (["state", "merge", "a", "a", "a"], "type_unknown"),
            (["state", "merge", "a", "a", "gone", "--type", "log"], "bad_path"),
            (["state", "merge", "a", "LOG.md", "a"], "too_large"),
            (["state", "check", "LOG.md"], "too_large"),
            (["state", "check", "."], "type_unknown"),
            (["state", "check", ".", "--type", "log"], "bad_path"),
            (["state", "save", "LOG.md", "--base", "a", "--from", "a"], "cannot_write"),
            (["state", "save", ".", "--type", "log", "--base", "a", "--from", "a"], "cannot_write"),
            (["state", "merge", "a", "a", "a", "--type", "log", "--output", "none/LOG.md"], "cannot_write"),
        ])
        {
            CommandLineRun run = await InAsync(folder, [.. args, "--json"]);
            Assert.Equal((ExitCode.Usage, code), (run.Exit, run.Json().GetProperty("error").GetProperty("code").GetString()));
        }
    }

    [Fact]
    public async Task Check_names_file_and_line_of_what_is_wrong()
    {
        using TemporaryFolder folder = new();
        folder.Write("QUEUE.md", "- [ ] [seq:1] build\n");
        folder.Write("FACTS.jsonl", """{"entity":"e","attribute":"a","value":1,"at":"2026-01-01T00:00:00Z"}""" + "\nnot json\n");
        Assert.Equal(ExitCode.Ok, (await InAsync(folder, "state", "check", "QUEUE.md")).Exit);
        CommandLineRun run = await InAsync(folder, "state", "check", "QUEUE.md", "FACTS.jsonl");
        Assert.Equal(ExitCode.NotAchieved, run.Exit);
        Assert.StartsWith("QUEUE.md: a sound queue document\nFACTS.jsonl:2: ", run.Out, StringComparison.Ordinal);
        JsonElement[] files = [.. (await InAsync(folder, "state", "check", "QUEUE.md", "FACTS.jsonl", "--json")).Json().GetProperty("files").EnumerateArray()];
        Assert.Equal((true, false, 2), (files[0].GetProperty("sound").GetBoolean(), files[1].GetProperty("sound").GetBoolean(), files[1].GetProperty("line").GetInt32()));
    }

    [Fact]
    public async Task Save_writes_from_stdin_merges_what_others_wrote_and_names_a_broken_document()
    {
        using TemporaryFolder folder = new();
        folder.Write("none", "");
        folder.Write("read", Start);
        folder.Write("LOG.md", Start);
        folder.Write("new", Start + "2026-01-02T00:00:00Z a\n");
        Assert.Equal("written", Outcome(await InAsync(folder, "state", "save", "LOG.md", "--base", "read", "--from", "new", "--json")));
        CommandLineRun merged = await FromStdinAsync(folder, Start + "2026-01-03T00:00:00Z b\n", "state", "save", "LOG.md", "--base", "read", "--json");
        Assert.Equal(("merged", 1), (Outcome(merged), merged.Json().GetProperty("added").GetInt32()));
        string both = Start + "2026-01-02T00:00:00Z a\n2026-01-03T00:00:00Z b\n";
        Assert.Equal(both, File.ReadAllText(Path.Combine(folder.FullName, "LOG.md")));
        CommandLineRun broken = await FromStdinAsync(folder, "<<<<<<< x\n=======\n>>>>>>> y\n", "state", "save", "LOG.md", "--base", "LOG.md");
        Assert.Equal(ExitCode.NotAchieved, broken.Exit);
        Assert.Contains("LOG.md, as it was to be saved, line 1", broken.Error, StringComparison.Ordinal);
        Assert.Equal(both, File.ReadAllText(Path.Combine(folder.FullName, "LOG.md")));
        Assert.Equal("written", Outcome(await InAsync(folder, "state", "save", "new.md", "--type", "log", "--base", "none", "--from", "new", "--json")));
        CommandLineRun gone = await InAsync(folder, "state", "save", "gone.md", "--type", "log", "--base", "read", "--from", "new", "--json");
        Assert.Equal("gone", gone.Json().GetProperty("error").GetProperty("code").GetString());
    }

    /// <summary>Each process reads, appends and saves for itself, eight times: the saves overlap as they like. On a machine with much else to do one may find the lock held, and tries again.</summary>
    [Fact]
    public async Task Four_processes_that_save_at_the_same_time_lose_and_double_nothing()
    {
        const int savesEach = 8;
        using TemporaryFolder folder = new();
        string log = folder.Write("LOG.md", Start);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            for (int save = 0; save < savesEach; save++)
            {
                string read = folder.Write($"read.{worker}", File.ReadAllText(log));
                string made = folder.Write($"new.{worker}", File.ReadAllText(read) + $"2026-01-02T00:00:0{save}Z worker {worker}\n");
                (int Exit, string Out, string Error) saved = (-1, "", "");
                for (int attempt = 0; attempt == 0 || (attempt < 5 && saved.Error.Contains("others held its lock", StringComparison.Ordinal)); attempt++)
                    saved = TestRepository.Mesh(folder.FullName, "state", "save", "LOG.md", "--base", read, "--from", made);
                Assert.True(saved.Exit == 0, saved.Error);
            }
        })));
        string[] lines = File.ReadAllLines(log);
        Assert.Equal((4 * savesEach) + 1, lines.Length);
        Assert.Equal(lines.Length, lines.Distinct(StringComparer.Ordinal).Count());
        Assert.DoesNotContain(Names(folder), n => n.Contains("mesh-", StringComparison.Ordinal));
    }

    private static string Outcome(CommandLineRun run)
    {
        Assert.True(run.Exit == ExitCode.Ok, run.Out + run.Error);
        return run.Json().GetProperty("outcome").GetString()!;
    }

    private static string[] Names(TemporaryFolder folder) => [.. Directory.GetFiles(folder.FullName).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)];

    private static Task<CommandLineRun> InAsync(TemporaryFolder folder, params string[] args) => TestRepository.MeshInAsync(folder.FullName, args);

    private static Task<CommandLineRun> FromStdinAsync(TemporaryFolder folder, string stdin, params string[] args) =>
        CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, TestContext.Current.CancellationToken, args, stdin);
}
