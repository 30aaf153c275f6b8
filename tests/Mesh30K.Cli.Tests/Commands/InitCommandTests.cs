using System.Text.Json;
using Mesh30K.Cli.Tests.Git;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class InitCommandTests
{
    [Theory]
    [InlineData("")]
    [InlineData("*.png binary\n")]
    [InlineData("*.png binary\n*.md text")]
    [InlineData("*.png binary\r\n*.md text\r\n")]
    [InlineData("*.png binary\r\n*.md text")]
    [InlineData("# \u00fc\n\n\n")]
    public async Task Undo_leaves_what_was_before_and_a_second_init_changes_nothing(string attributes)
    {
        using TestRepository repository = new();
        if (attributes.Length > 0) repository.Write(".gitattributes", attributes);
        string config = repository.Read(".git/config");

        Assert.Equal(ExitCode.Ok, (await repository.MeshAsync("init")).Exit);
        string once = repository.Read(".gitattributes");
        string configOnce = repository.Read(".git/config");
        Assert.StartsWith(attributes, once, StringComparison.Ordinal);
        Assert.Equal(attributes.Contains('\r', StringComparison.Ordinal), once.EndsWith("\r\n", StringComparison.Ordinal));
        Assert.Equal("QUEUE.md: merge: mesh-queue", repository.Git("check-attr", "merge", "--", "QUEUE.md"));
        Assert.Equal("a/b/FACTS.jsonl: merge: mesh-facts", repository.Git("check-attr", "merge", "--", "a/b/FACTS.jsonl"));
        Assert.Equal("HEARTBEAT.md: merge: unspecified", repository.Git("check-attr", "merge", "--", "HEARTBEAT.md"));

        CommandLineRun second = await repository.MeshAsync("init", "--json");
        Assert.Empty(second.Json().GetProperty("changes").EnumerateArray());
        Assert.Equal(once, repository.Read(".gitattributes"));
        Assert.Equal(configOnce, repository.Read(".git/config"));

        Assert.Equal(ExitCode.Ok, (await repository.MeshAsync("init", "--undo")).Exit);
        if (attributes.Length > 0) Assert.Equal(attributes, repository.Read(".gitattributes"));
        else Assert.False(File.Exists(Path.Combine(repository.Root, ".gitattributes")));
        Assert.Equal(config, repository.Read(".git/config"));
        Assert.Empty((await repository.MeshAsync("init", "--undo", "--json")).Json().GetProperty("changes").EnumerateArray());
    }

    [Fact]
    public async Task Undo_keeps_what_a_user_wrote_around_and_into_the_block()
    {
        using TestRepository repository = new();
        repository.Write(".gitattributes", "*.a text");
        await repository.MeshAsync("init");
        repository.Git("config", "merge.mesh-queue.mine", "kept");
        repository.Write(".gitattributes", ("*.z text\n" + repository.Read(".gitattributes")).Replace("LOG.md", "*.in merge=mesh-queue text\nLOG.md", StringComparison.Ordinal) + "*.b merge=union\n");
        await repository.MeshAsync("init", "--undo");
        Assert.Equal("*.z text\n*.a text\n*.in merge=mesh-queue text\n*.b merge=union\n", repository.Read(".gitattributes"));
        Assert.Equal("merge.mesh-queue.mine kept", repository.Git("config", "--local", "--get-regexp", "^merge"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("--undo")]
    public async Task A_dry_run_tells_everything_and_changes_nothing(string undo)
    {
        using TestRepository repository = new();
        if (undo.Length > 0) await repository.MeshAsync("init");
        string config = repository.Read(".git/config");
        string status = repository.Git("status", "--porcelain");
        CommandLineRun plan = await repository.MeshAsync(["init", "--dry-run", "--json", .. undo.Length > 0 ? [undo] : Array.Empty<string>()]);
        JsonElement[] changes = [.. plan.Json().GetProperty("changes").EnumerateArray()];
        Assert.Equal(9, changes.Length);
        Assert.Contains(changes, c => c.GetProperty("key").GetString() == "merge.mesh-queue.driver");
        Assert.Equal(undo.Length > 0 ? "delete" : "create", changes[^1].GetProperty("action").GetString());
        Assert.Equal(config, repository.Read(".git/config"));
        Assert.Equal(status, repository.Git("status", "--porcelain"));
        if (undo.Length == 0) Assert.Contains("create .gitattributes", (await repository.MeshAsync("init", "--dry-run")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Patterns_are_added_and_left_out_and_a_plain_init_keeps_them()
    {
        using TestRepository repository = new();
        await repository.MeshAsync("init", "--file", "queue=my \"team\"/TASKS *.md", "--file", "log=#notes.md", "--without", "LOG.md");
        await repository.MeshAsync("init");
        Assert.Equal("mesh-queue", AttributeOf(repository, "my \"team\"/TASKS 1.md"));
        Assert.Equal("mesh-log", AttributeOf(repository, "#notes.md"));
        Assert.Equal("unspecified", AttributeOf(repository, "LOG.md"));
        Assert.Equal("mesh-facts", AttributeOf(repository, "FACTS.jsonl"));
        await repository.MeshAsync("init", "--without", "my \"team\"/TASKS *.md", "--file", "facts=QUEUE.md");
        Assert.Equal("unspecified", AttributeOf(repository, "my \"team\"/TASKS 1.md"));
        Assert.Equal("mesh-facts", AttributeOf(repository, "QUEUE.md"));
        Assert.Contains("--without GONE.md: there is no such pattern", (await repository.MeshAsync("init", "--without", "GONE.md")).Out, StringComparison.Ordinal);
        await repository.MeshAsync("init", "--undo");
        Assert.Equal("", repository.Git("status", "--porcelain"));
    }

    [Theory]
    [InlineData("queue")]
    [InlineData("prose=README.md")]
    [InlineData("queue=")]
    [InlineData("queue=!x")]
    [InlineData("queue=folder/")]
    [InlineData("queue=a\nb")]
    public async Task Wrong_patterns_are_refused(string file)
    {
        using TestRepository repository = new();
        CommandLineRun run = await repository.MeshAsync("init", "--file", file);
        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Equal("", repository.Git("status", "--porcelain"));
    }

    [Fact]
    public async Task In_a_subfolder_or_a_linked_working_tree_it_goes_to_the_root_and_the_common_configuration()
    {
        using TestRepository repository = new();
        repository.Write("a/b/x.txt", "x");
        repository.Commit("x");
        string other = Path.Combine(repository.Around, "other tree");
        repository.Git("worktree", "add", "-q", "-b", "other", other);
        await TestRepository.MeshInAsync(Path.Combine(other, "a", "b"), "init");
        Assert.True(File.Exists(Path.Combine(other, ".gitattributes")));
        Assert.False(File.Exists(Path.Combine(repository.Root, ".gitattributes")));
        Assert.Contains("mesh.dll", repository.Git("config", "--local", "merge.mesh-log.driver"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Outside_a_repository_and_in_a_bare_one_it_says_so()
    {
        using TestRepository repository = new();
        string bare = Path.Combine(repository.Around, "bare.git");
        repository.Git("clone", "-q", "--bare", repository.Root, bare);
        foreach (string folder in (string[])[repository.Around, bare])
        {
            CommandLineRun run = await TestRepository.MeshInAsync(folder, "init", "--json");
            Assert.Equal(ExitCode.Usage, run.Exit);
            Assert.Equal("no_repository", run.Json().GetProperty("error").GetProperty("code").GetString());
        }
        Assert.DoesNotContain("[merge", File.ReadAllText(Path.Combine(bare, "config")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_no_such_document_and_an_attribute_that_wins_are_told()
    {
        using TestRepository repository = new();
        repository.Write("docs/FACTS.jsonl", "no facts\n");
        repository.Write("QUEUE.md", "- [ ] [seq:1] build\n");
        repository.Write(".git/info/attributes", "QUEUE.md merge=union\n");
        repository.Commit("prose");
        string[] warnings = [.. (await repository.MeshAsync("init", "--json")).Json().GetProperty("warnings").EnumerateArray().Select(w => w.GetString()!)];
        Assert.Equal(2, warnings.Length);
        Assert.Contains("QUEUE.md: git takes merge=union", warnings[0], StringComparison.Ordinal);
        Assert.Contains("docs/FACTS.jsonl, line 1: ", warnings[1], StringComparison.Ordinal);
        Assert.Contains("mesh init --without FACTS.jsonl", warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_block_without_its_end_is_not_guessed_at()
    {
        using TestRepository repository = new();
        await repository.MeshAsync("init");
        string broken = repository.Read(".gitattributes").Replace("# <<< mesh init\n", "*.x text\n", StringComparison.Ordinal);
        repository.Write(".gitattributes", broken);
        foreach (string[] args in (string[][])[["init"], ["init", "--undo"]]) Assert.Equal(ExitCode.Usage, (await repository.MeshAsync(args)).Exit);
        Assert.Equal(broken, repository.Read(".gitattributes"));
    }

    [Fact]
    public async Task The_doctor_sees_a_clone_without_drivers_and_a_mesh_that_is_gone()
    {
        using TestRepository repository = new();
        Assert.Equal(("ok", "not set up in this repository; `mesh init` does"), await DriverCheckAsync(repository.Root));
        await repository.InitAsync();
        Assert.Equal(("ok", "merges QUEUE.md, HEARTBEATS.md, FACTS.jsonl, LOG.md"), await DriverCheckAsync(repository.Root));
        string clone = Path.Combine(repository.Around, "clone");
        repository.Git("clone", "-q", repository.Root, clone);
        Assert.Equal("warn", (await DriverCheckAsync(clone)).Status);
        // The driver's first word is the program: dotnet by its name or its path, by how the tests were started.
        string[] words = repository.Git("config", "merge.mesh-facts.driver").Split('\'', 3);
        repository.Git("config", "merge.mesh-facts.driver", $"{words[0]}'/nowhere/o'\\''clock 100%%/mesh'{words[2]}");
        (string status, string detail) = await DriverCheckAsync(repository.Root);
        Assert.Equal("fail", status);
        Assert.Contains("calls /nowhere/o'clock 100%/mesh, which is gone", detail, StringComparison.Ordinal);
    }

    private static async Task<(string Status, string Detail)> DriverCheckAsync(string folder)
    {
        JsonElement checks = (await TestRepository.MeshInAsync(folder, "doctor", "--json")).Json().GetProperty("checks");
        JsonElement check = checks.EnumerateArray().Single(c => c.GetProperty("name").GetString() == "merge_driver");
        return (check.GetProperty("status").GetString()!, check.GetProperty("detail").GetString()!);
    }

    private static string AttributeOf(TestRepository repository, string path) => repository.Git("check-attr", "-z", "merge", "--", path).Split('\0')[2];
}
