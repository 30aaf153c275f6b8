using Mesh30K.Cli.Tests.Git;

namespace Mesh30K.Cli.Tests.Commands;

/// <summary>git calls the driver: merge, rebase, cherry-pick, criss-cross; and what a user sees where a document cannot be merged.</summary>
public sealed class MergeDriverTests
{
    private const string Queue = "- [ ] [seq:1] build\n- [ ] [seq:2] test\n- [ ] [seq:3] ship\n";

    private static readonly string[] Three = ["- [ ] [seq:1] build", "- [ ] [seq:2] test", "- [ ] [seq:3] ship"];

    [Theory]
    [InlineData("plain")]
    [InlineData("with space, o'clock \"q\" 100% $HOME;")]
    public async Task Both_sides_of_a_merge_are_kept_whatever_the_path_is_called(string name)
    {
        using TestRepository repository = new(name);
        await repository.InitAsync("--file", "queue=sub dir/it's \"the\" queue.md");
        const string file = "sub dir/it's \"the\" queue.md";
        repository.Branch("base", "main", file, Queue);
        repository.Branch("a", "base", file, Queue.Replace("[ ] [seq:1]", "[x] [seq:1]", StringComparison.Ordinal) + "- [ ] [seq:4] [agent:a] from a\n");
        repository.Branch("b", "base", file, Queue.Replace("- [ ] [seq:2] test\n", "", StringComparison.Ordinal) + "- [ ] [seq:5] [agent:b] from b\n");
        repository.Git("merge", "-q", "--no-edit", "a");
        string merged = repository.Read(file);
        Assert.Equal(["- [ ] [seq:3] ship", "- [ ] [seq:4] [agent:a] from a", "- [ ] [seq:5] [agent:b] from b", "- [x] [seq:1] build"], Sorted(merged));
        repository.Git("checkout", "-q", "a");
        repository.Git("merge", "-q", "--no-edit", "b~1");
        Assert.Equal(merged, repository.Read(file));
        Assert.Equal("", repository.Git("status", "--porcelain"));
    }

    [Fact]
    public async Task A_rebase_and_a_cherry_pick_lose_and_double_nothing()
    {
        using TestRepository repository = new();
        await repository.InitAsync();
        repository.Branch("base", "main", "QUEUE.md", Queue);
        repository.Branch("a", "base", "QUEUE.md", Queue + "- [ ] [seq:4] from a\n");
        repository.Branch("b", "base", "QUEUE.md", Queue + "- [ ] [seq:5] from b\n");
        repository.Write("QUEUE.md", Queue + "- [ ] [seq:5] from b\n- [ ] [seq:6] from b again\n");
        repository.Commit("b again");
        repository.Git("rebase", "-q", "a");
        Assert.Equal([.. Three, "- [ ] [seq:4] from a", "- [ ] [seq:5] from b", "- [ ] [seq:6] from b again"], Sorted(repository.Read("QUEUE.md")));

        repository.Branch("c", "base", "QUEUE.md", Queue + "- [ ] [seq:7] from c\n");
        repository.Git("cherry-pick", "b");
        string[] picked = Sorted(repository.Read("QUEUE.md"));
        Assert.Contains("- [ ] [seq:6] from b again", picked);
        Assert.Contains("- [ ] [seq:7] from c", picked);
        Assert.Equal(picked.Distinct(StringComparer.Ordinal), picked);
    }

    [Fact]
    public async Task Criss_cross_merges_come_to_the_same_bytes()
    {
        using TestRepository repository = new();
        await repository.InitAsync();
        repository.Branch("base", "main", "LOG.md", "2026-01-01T00:00:00Z start\n");
        repository.Branch("a", "base", "LOG.md", "2026-01-01T00:00:00Z start\n2026-01-02T00:00:00Z a one\n");
        repository.Branch("b", "base", "LOG.md", "2026-01-01T00:00:00Z start\n2026-01-03T00:00:00Z b one\n");
        repository.Git("branch", "-f", "a1", "a");
        repository.Git("merge", "-q", "--no-edit", "a1");
        repository.Git("checkout", "-q", "a");
        repository.Git("merge", "-q", "--no-edit", "b~1");
        repository.Write("LOG.md", repository.Read("LOG.md") + "2026-01-04T00:00:00Z a two\n");
        repository.Commit("a two");
        repository.Git("checkout", "-q", "b");
        repository.Write("LOG.md", repository.Read("LOG.md") + "2026-01-05T00:00:00Z b two\n");
        repository.Commit("b two");
        repository.Git("merge", "-q", "--no-edit", "a");
        string merged = repository.Read("LOG.md");
        Assert.Equal(5, Sorted(merged).Length);
        repository.Git("checkout", "-q", "a");
        repository.Git("merge", "-q", "--no-edit", "b~1");
        Assert.Equal(merged, repository.Read("LOG.md"));
    }

    [Fact]
    public async Task Heartbeats_and_facts_merge_too()
    {
        using TestRepository repository = new();
        await repository.InitAsync();
        const string head = "| agent | status | updated |\n|---|---|---|\n";
        const string a = "| a | idle | 2026-01-01T00:00:00Z |\n";
        const string b = "| b | idle | 2026-01-01T00:00:00Z |\n";
        repository.Write("FACTS.jsonl", "");
        repository.Branch("base", "main", "HEARTBEATS.md", head + a + b);
        repository.Branch("a", "base", "FACTS.jsonl", Fact("x", "1"));
        repository.Branch("a", "a", "HEARTBEATS.md", head + a.Replace("idle", "busy", StringComparison.Ordinal).Replace("-01T", "-02T", StringComparison.Ordinal) + b);
        repository.Branch("b", "base", "FACTS.jsonl", Fact("x", "2"));
        repository.Branch("b", "b", "HEARTBEATS.md", head + a + b.Replace("idle", "busy", StringComparison.Ordinal).Replace("-01T", "-03T", StringComparison.Ordinal));
        repository.Git("merge", "-q", "--no-edit", "a");
        Assert.Equal(2, repository.Read("HEARTBEATS.md").Split("busy").Length - 1);
        Assert.Equal(2, Sorted(repository.Read("FACTS.jsonl")).Length);
    }

    [Theory]
    [InlineData(Queue + "- [ ] [seq:4] from b\n<<<<<<< ours\n- [ ] [seq:5] x\n=======\n- [ ] [seq:6] y\n>>>>>>> theirs\n")]
    [InlineData("- [ ] [seq:1] build\n- [ ] [seq:2] test\n- [ ] [seq:3] s")]
    public async Task What_cannot_be_merged_ends_in_gits_own_conflict_and_says_why(string theirs)
    {
        using TestRepository repository = new();
        await repository.InitAsync();
        repository.Branch("base", "main", "QUEUE.md", Queue);
        repository.Branch("b", "base", "QUEUE.md", theirs);
        repository.Branch("a", "base", "QUEUE.md", Queue + "- [ ] [seq:9] from a\n");
        (int exit, string output, string error) = repository.TryGit("merge", "--no-edit", "b");
        Assert.Equal(1, exit);
        Assert.Contains("CONFLICT", output, StringComparison.Ordinal);
        Assert.Contains("mesh: QUEUE.md, theirs", error, StringComparison.Ordinal);
        Assert.InRange(error.TrimEnd('\n').Split('\n').Length, 1, 2);
        Assert.Equal("UU QUEUE.md", repository.Git("status", "--porcelain"));
        string conflict = repository.Read("QUEUE.md");
        foreach (string part in (string[])["<<<<<<< ours\n", "- [ ] [seq:9] from a\n", ">>>>>>> theirs"]) Assert.Contains(part, conflict, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_prose_changed_twice_is_a_conflict_for_a_person()
    {
        using TestRepository repository = new();
        await repository.InitAsync();
        repository.Branch("base", "main", "QUEUE.md", "# Tasks\n\nTake the top one.\n\n" + Queue);
        repository.Branch("b", "base", "QUEUE.md", "# Tasks\n\nTake the last one.\n\n" + Queue);
        repository.Branch("a", "base", "QUEUE.md", "# Tasks\n\nTake any one.\n\n" + Queue);
        (int exit, _, string error) = repository.TryGit("merge", "--no-edit", "b");
        Assert.Equal(1, exit);
        Assert.Contains("QUEUE.md", error, StringComparison.Ordinal);
        Assert.Contains("<<<<<<< ours\nTake any one.\n=======\nTake the last one.\n>>>>>>> theirs\n", repository.Read("QUEUE.md"), StringComparison.Ordinal);
        repository.Git("merge", "--abort");
        Assert.Contains("Take any one.", repository.Read("QUEUE.md"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_that_are_no_text_leave_ours_in_place_and_the_index_unmerged()
    {
        using TestRepository repository = new();
        await repository.InitAsync();
        repository.Branch("base", "main", "QUEUE.md", Queue);
        repository.Branch("b", "base", "QUEUE.md", Queue + "\0\n");
        repository.Branch("a", "base", "QUEUE.md", Queue + "- [ ] [seq:9] from a\n");
        (int exit, _, string error) = repository.TryGit("merge", "--no-edit", "b");
        Assert.Equal(1, exit);
        Assert.Contains("ours stays in place", error, StringComparison.Ordinal);
        Assert.Equal("UU QUEUE.md", repository.Git("status", "--porcelain"));
        Assert.Equal(Queue + "- [ ] [seq:9] from a\n", repository.Read("QUEUE.md"));
    }

    [Fact]
    public async Task Invalid_utf8_is_named_and_conflicts()
    {
        using TestRepository repository = new();
        await repository.InitAsync();
        repository.Branch("base", "main", "LOG.md", "start\n");
        repository.Branch("b", "base", "LOG.md", "start\nb\n");
        File.WriteAllBytes(Path.Combine(repository.Root, "LOG.md"), [.. "start\n"u8, 0xC3, 0x28, (byte)'\n']);
        repository.Commit("latin");
        repository.Branch("a", "base", "LOG.md", "start\na\n");
        (int exit, _, string error) = repository.TryGit("merge", "--no-edit", "b");
        Assert.Equal(1, exit);
        Assert.Contains("LOG.md, theirs, line 2", error, StringComparison.Ordinal);
        Assert.Contains("<<<<<<< ours\na\n=======\n", repository.Read("LOG.md"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_added_on_both_sides_and_a_linked_working_tree_merge()
    {
        using TestRepository repository = new();
        await repository.InitAsync();
        repository.Branch("a", "main", "deep/LOG.md", "2026-01-01T00:00:00Z a\n");
        string other = Path.Combine(repository.Around, "other tree");
        repository.Git("worktree", "add", "-q", "-b", "b", other, "main");
        Directory.CreateDirectory(Path.Combine(other, "deep"));
        File.WriteAllText(Path.Combine(other, "deep", "LOG.md"), "2026-01-02T00:00:00Z b\n");
        TestRepository.TryGit(other, "add", "-A");
        TestRepository.TryGit(other, "commit", "-q", "-m", "b");
        (int exit, _, string error) = TestRepository.TryGit(Path.Combine(other, "deep"), "merge", "-q", "--no-edit", "a");
        Assert.True(exit == 0, error);
        Assert.Equal("2026-01-01T00:00:00Z a\n2026-01-02T00:00:00Z b\n", File.ReadAllText(Path.Combine(other, "deep", "LOG.md")));
    }

    private static string Fact(string entity, string value) =>
        $$"""{"entity":"{{entity}}","attribute":"n","value":{{value}},"at":"2026-01-0{{value}}T00:00:00Z","by":"t"}""" + "\n";

    private static string[] Sorted(string text) => [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
}
