using System.Diagnostics;
using System.Text.Json;

namespace Mesh30K.Cli.Tests.Queue;

public sealed class QueueVerbTests
{
    [Theory]
    [InlineData("next", "--agent", "ana", "--json")]
    [InlineData("work", "--agent", "ana", "--json", "--once", "--", "true")]
    public async Task A_claim_where_there_is_no_channel_ends_with_1_and_makes_none(params string[] verb)
    {
        using QueueFixture queue = new();
        CommandLineRun run = await queue.RunAsync(verb);
        Assert.Equal((ExitCode.NotAchieved, "no_channel"), (run.Exit, run.Json().GetProperty("error").GetProperty("code").GetString()));
        Assert.False(Directory.Exists(queue.DataOf("data")));
    }

    [Fact]
    public async Task A_chain_goes_from_push_to_done()
    {
        using QueueFixture queue = new();
        Assert.Equal("1 [ready] build\n2 [waiting] test\n3 [waiting] deploy\n", (await queue.OkAsync("push", "--chain", "build", "test", "deploy")).Out);
        JsonElement entry = Entry(await queue.OkAsync("next", "--agent", "ana", "--json"));
        Assert.Equal(("1", "build", 1, "ana"), (entry.GetProperty("id").GetString(), entry.GetProperty("text").GetString(), entry.GetProperty("token").GetInt32(), entry.GetProperty("claimed_by").GetString()));
        CommandLineRun nothing = await queue.RunAsync("next", "--agent", "bob");
        Assert.Equal((ExitCode.NotAchieved, "Nothing is ready.\n"), (nothing.Exit, nothing.Out));
        await queue.OkAsync("checkpoint", "1", "12 of 40", "--token", "1");
        await queue.OkAsync("renew", "1", "--token", "1", "--lease", "10m");
        await queue.OkAsync("release", "1", "--token", "1");
        Assert.Contains("checkpoint: 12 of 40", (await queue.OkAsync("next", "--agent", "bob")).Out, StringComparison.Ordinal);
        CommandLineRun late = await queue.RunAsync("done", "1", "--token", "1", "--json");
        Assert.Equal((ExitCode.NotAchieved, "not_held"), (late.Exit, late.Json().GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal("done 1 build\n", (await queue.OkAsync("done", "1", "--token", "2", "--result", "ok")).Out);
        await queue.OkAsync("next", "--agent", "bob");
        await queue.OkAsync("fail", "2", "--token", "3", "--reason", "broke");
        JsonElement failed = Entry(await queue.OkAsync("list", "--status", "failed", "--json"));
        Assert.Equal("broke", failed.GetProperty("result").GetString());
        Assert.Contains("2 (blocked)", (await queue.OkAsync("list")).Out, StringComparison.Ordinal);
        await queue.OkAsync("reopen", "2");
        Assert.Equal("1 [done] build\n└─ 2 [ready] test\n   └─ 3 [waiting] deploy\n", (await queue.OkAsync("graph")).Out);
        Assert.Equal(3, (await queue.OkAsync("graph", "--json")).Json().GetProperty("nodes").GetArrayLength());
    }

    [Fact]
    public async Task Push_takes_dependencies_agents_keys_and_attempts()
    {
        using QueueFixture queue = new();
        await queue.OkAsync("push", "a", "b");
        JsonElement c = Entry(await queue.OkAsync("push", "c", "--after", "1,2", "--agent", "carl", "--key", "k", "--attempts", "7", "--json"));
        Assert.Equal(("3", 7, "carl"), (c.GetProperty("id").GetString(), c.GetProperty("attempts_max").GetInt32(), c.GetProperty("agent").GetString()));
        Assert.Equal(["1", "2"], [.. c.GetProperty("depends_on").EnumerateArray().Select(d => d.GetString()!)]);
        Assert.Equal("3", Entry(await queue.OkAsync("push", "c", "--after", "1,2", "--agent", "carl", "--key", "k", "--attempts", "7", "--json")).GetProperty("id").GetString());
        await queue.OkAsync("push", "--chain", "x", "y", "--key", "z");
        Assert.Equal("5", Entry(await queue.OkAsync("push", "--chain", "x", "y", "--key", "z", "--json"), 1).GetProperty("id").GetString());
        CommandLineRun taken = await queue.RunAsync("push", "another", "--key", "k", "--json");
        Assert.Equal((ExitCode.Usage, "taken"), (taken.Exit, taken.Json().GetProperty("error").GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Agent_and_token_come_from_the_environment_too()
    {
        using QueueFixture queue = new();
        await queue.OkAsync("push", "a");
        CommandLineRun claimed = await queue.RunAsync(new Dictionary<string, string>(StringComparer.Ordinal) { ["MESH_AGENT"] = "ana" }, null, "next", "--data-dir", queue.DataOf("data"));
        Assert.Contains("token 1, attempt 1 of 3", claimed.Out, StringComparison.Ordinal);
        CommandLineRun done = await queue.RunAsync(new Dictionary<string, string>(StringComparer.Ordinal) { ["MESH_TOKEN"] = "1" }, null, "done", "1", "--data-dir", queue.DataOf("data"));
        Assert.Equal(ExitCode.Ok, done.Exit);
    }

    [Fact]
    public async Task Cancel_asks_first()
    {
        using QueueFixture queue = new();
        await queue.OkAsync("push", "--chain", "a", "b", "c");
        Assert.Equal(["1", "2", "3"], [.. (await queue.OkAsync("cancel", "1", "--dependents", "--dry-run", "--json")).Json().GetProperty("would_cancel").EnumerateArray().Select(e => e.GetString()!)]);
        CommandLineRun nobody = await queue.RunAsync("cancel", "1");
        Assert.Equal(ExitCode.Usage, nobody.Exit);
        Assert.Contains("give --yes", nobody.Error, StringComparison.Ordinal);
        CommandLineRun no = await queue.RunAsync(QueueFixture.NoVariables, "no\n", "cancel", "1", "--data-dir", queue.DataOf("data"));
        Assert.Equal(ExitCode.NotAchieved, no.Exit);
        Assert.Contains("nothing was cancelled", no.Error, StringComparison.Ordinal);
        Assert.Equal(3, (await queue.OkAsync("list", "--json")).Json().GetProperty("total").GetInt32());
        CommandLineRun yes = await queue.RunAsync(QueueFixture.NoVariables, "yes\n", "cancel", "2", "--data-dir", queue.DataOf("data"));
        Assert.Equal("cancelled 2 b\n", yes.Out);
        Assert.Equal("cancelled 1 a\n", (await queue.OkAsync("cancel", "1", "--yes")).Out);
        Assert.Equal("cancelled 2 b\ncancelled 3 c\n", (await queue.OkAsync("cancel", "2", "--yes", "--dependents")).Out);
    }

    [Theory]
    [InlineData("bad_value", "next --agent a --lease x")]
    [InlineData("bad_value", "next --agent a --lease 31d")]
    [InlineData("agent_missing", "next")]
    [InlineData("token_missing", "done 1")]
    [InlineData("bad_value", "done 01 --token 1")]
    [InlineData("unknown_dependency", "push --after 9 a")]
    [InlineData("invalid", "push --attempts 0 a")]
    [InlineData("bad_name", "push --channel ../x a")]
    [InlineData("bad_value", "push --writer a/b a")]
    [InlineData("writer_differs", "push --writer bob a")]
    [InlineData("not_found", "reopen 77")]
    [InlineData("no_channel", "list --channel other")]
    [InlineData("bad_value", "list --limit 0")]
    [InlineData("no_file", "import nothing.md")]
    [InlineData("usage", "list --node 127.0.0.1:1")]
    [InlineData("no_command", "work --agent a --once -- no-such-command-here")]
    public async Task What_is_wrong_is_one_message_with_a_code(string code, string line)
    {
        using QueueFixture queue = new();
        await queue.OkAsync("push", "first");
        string[] args = line.Split(' ');
        CommandLineRun run = await queue.RunAsync(QueueFixture.NoVariables, null, [args[0], "--json", "--data-dir", queue.DataOf("data"), .. args[1..]]);
        Assert.Equal((ExitCode.Usage, code), (run.Exit, run.Json().GetProperty("error").GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Worktrees_of_one_repository_share_the_channel()
    {
        using QueueFixture queue = new();
        string main = Path.Combine(queue.Folder.FullName, "main");
        string other = Path.Combine(queue.Folder.FullName, "other");
        foreach (string[] git in (string[][])
        [
            ["init", "-q", main], ["-C", main, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "x"], ["-C", main, "worktree", "add", "-q", other],
        ])
        {
            using Process process = Process.Start("git", git);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, process.ExitCode);
        }
        Assert.Equal(ExitCode.Ok, (await RunningNode.RunInAsync(main, "queue", "push", "build")).Exit);
        Assert.Contains("1 build", (await RunningNode.RunInAsync(other, "queue", "next", "--agent", "ana")).Out, StringComparison.Ordinal);
        Assert.True(Directory.Exists(Path.Combine(main, ".git", "mesh", "channels", "tasks")));
    }

    private static JsonElement Entry(CommandLineRun run, int index = 0) => run.Json().GetProperty("entries")[index];
}
