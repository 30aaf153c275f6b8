namespace Mesh30K.Cli.Tests.Queue;

public sealed class QueueExchangeTests
{
    [Fact]
    public async Task An_export_imported_elsewhere_and_exported_again_is_the_same()
    {
        using QueueFixture queue = new();
        await queue.OkAsync("push", "--chain", "build [fast]", "test", "deploy", "--agent", "ops");
        await queue.OkAsync("push", "--after", "1,3", "tell");
        await queue.OkAsync("next", "--agent", "ops");
        await queue.OkAsync("done", "1", "--token", "1");
        await queue.OkAsync("cancel", "4", "--yes");
        string text = (await queue.OkAsync("export")).Out;
        Assert.Equal(
            "- [x] [seq:1] [agent:ops] build [fast]\n- [ ] [seq:2] [depends:1] [agent:ops] test\n- [ ] [seq:3] [depends:2] [agent:ops] deploy\n- [-] [seq:4] [depends:1,3] tell\n", text);
        queue.Folder.Write("QUEUE.md", text);
        Assert.Equal(4, (await queue.OkAsync("import", "--data-dir", queue.DataOf("other"), "QUEUE.md", "--json")).Json().GetProperty("added").GetArrayLength());
        Assert.Equal(text, (await queue.OkAsync("export", "--data-dir", queue.DataOf("other"))).Out);
        CommandLineRun again = await queue.OkAsync("import", "--data-dir", queue.DataOf("other"), "QUEUE.md");
        Assert.Equal("0 added, 4 were there already\n", again.Out);
    }

    [Fact]
    public async Task Two_machines_exchange_by_files_with_named_writers()
    {
        using QueueFixture queue = new();
        string[] At(string verb, string who, params string[] rest) => [verb, "--data-dir", queue.DataOf(who), .. rest];
        await queue.OkAsync(At("push", "ana", "--writer", "ana", "ana builds"));
        await queue.OkAsync(At("push", "bob", "--writer", "bob", "bob tests"));
        await queue.OkAsync(At("export", "ana", "QUEUE.md"));
        await queue.OkAsync(At("import", "bob", "QUEUE.md"));
        await queue.OkAsync(At("push", "bob", "--after", "1@ana", "bob deploys"));
        await queue.OkAsync(At("export", "bob", "QUEUE.md"));
        Assert.Equal("2@bob [waiting] bob deploys\n1@bob [ready] bob tests\n2 added, 1 were there already\n".Split('\n').Order(), (await queue.OkAsync(At("import", "ana", "QUEUE.md"))).Out.Split('\n').Order());
        string file = await File.ReadAllTextAsync(Path.Combine(queue.Folder.FullName, "QUEUE.md"), TestContext.Current.CancellationToken);
        Assert.Contains("- [ ] [seq:2@bob] [depends:1@ana] [clock:1@ana,1@bob] bob deploys", file, StringComparison.Ordinal);
        Assert.Equal(Lines(file), Lines((await queue.OkAsync(At("export", "ana"))).Out));
    }

    [Fact]
    public async Task A_chain_goes_on_across_machines_when_the_file_says_done()
    {
        using QueueFixture queue = new();
        string[] At(string verb, string who, params string[] rest) => [verb, "--data-dir", queue.DataOf(who), .. rest];
        await queue.OkAsync(At("push", "ana", "--writer", "ana", "--key", "k", "--agent", "ana", "build"));
        await queue.OkAsync(At("export", "ana", "QUEUE.md"));
        await queue.OkAsync(At("import", "bob", "--writer", "bob", "QUEUE.md"));
        await queue.OkAsync(At("push", "bob", "--after", "1@ana", "--agent", "bob", "deploy"));
        await queue.OkAsync(At("export", "bob", "QUEUE.md"));
        await queue.OkAsync(At("next", "ana", "--agent", "ana"));
        await queue.OkAsync(At("done", "ana", "1@ana", "--token", "1", "--result", "commit 1a2b3c"));
        await queue.OkAsync(At("export", "ana", "QUEUE.md"));
        string file = Path.Combine(queue.Folder.FullName, "QUEUE.md");
        string told = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
        Assert.Contains("- [x] [seq:1@ana] [agent:ana] [result:commit 1a2b3c] build\n", told, StringComparison.Ordinal);
        await queue.OkAsync(At("export", "bob", "QUEUE.md"));
        Assert.Equal(told, await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        Assert.Equal("1@ana [done] build\n0 added, 1 ended, 1 were there already\n", (await queue.OkAsync(At("import", "bob", "QUEUE.md"))).Out);
        Assert.Equal("0 added, 2 were there already\n", (await queue.OkAsync(At("import", "bob", "QUEUE.md"))).Out);
        await queue.OkAsync(At("next", "bob", "--agent", "bob"));
        await queue.OkAsync(At("done", "bob", "1@bob", "--token", "1"));
        await queue.OkAsync(At("export", "bob", "QUEUE.md"));
        Assert.Equal("1@bob [done] deploy\n1 added, 1 were there already\n", (await queue.OkAsync(At("import", "ana", "QUEUE.md"))).Out);
    }

    [Fact]
    public async Task An_export_leaves_what_it_does_not_know_where_it_is()
    {
        using QueueFixture queue = new();
        string file = queue.Folder.Write("QUEUE.md", "# Our queue\n\n- [ ] [seq:1] [priority:high] build\nsome words\n- [ ] [seq:7@carl] carl's\n");
        await queue.OkAsync("push", "build", "test");
        await queue.OkAsync("next", "--agent", "ana");
        CommandLineRun run = await queue.OkAsync("export", "QUEUE.md");
        Assert.EndsWith("1 added, 1 changed, 0 as they were\n", run.Out, StringComparison.Ordinal);
        Assert.Equal(
            "# Our queue\n\n- [/] [seq:1] [priority:high] build\nsome words\n- [ ] [seq:7@carl] carl's\n- [ ] [seq:2] test\n",
            await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_import_is_all_or_nothing()
    {
        using QueueFixture queue = new();
        queue.Folder.Write("circle.md", "[seq:1] fine\n[seq:2] [depends:3] a\n[seq:3] [depends:2] b\n");
        Assert.Contains("circle", (await queue.RunAsync("import", "circle.md")).Error, StringComparison.Ordinal);
        queue.Folder.Write("markers.md", "<<<<<<< ours\n[seq:1] a\n=======\n[seq:2] b\n>>>>>>> theirs\n");
        Assert.Equal("conflict_markers", (await queue.RunAsync("import", "markers.md", "--json")).Json().GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(0, (await queue.OkAsync("list", "--json")).Json().GetProperty("total").GetInt32());
    }

    [Fact]
    public async Task A_dependency_without_a_writer_means_every_entry_of_that_number()
    {
        using QueueFixture queue = new();
        queue.Folder.Write("QUEUE.md", "[seq:143@ana] a\n[seq:143@bob] b\n[seq:144@ana] [depends:143] c\n");
        await queue.OkAsync("import", "--writer", "ana", "QUEUE.md");
        Assert.Contains("[seq:144@ana] [depends:143@ana,143@bob]", (await queue.OkAsync("export")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_and_the_command_use_one_folder_in_turn()
    {
        await using RunningNode node = await RunningNode.StartAsync();
        string data = Path.Combine(node.Folder.FullName, ".mesh");
        string[] there = ["--node", node.Address, "--key-file", node.KeyFile];
        Assert.Equal(ExitCode.Ok, (await node.RunAsync(["queue", "push", "--chain", "a", "b", .. there])).Exit);
        CommandLineRun refused = await node.RunAsync("queue", "push", "c", "--data-dir", data, "--json");
        Assert.Equal((ExitCode.NodeUnreachable, "channel_owned"), (refused.Exit, refused.Json().GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal(2, (await node.RunAsync("queue", "list", "--data-dir", data, "--json")).Json().GetProperty("total").GetInt32());

        Assert.Contains("token 1", (await node.RunAsync(["queue", "next", "--agent", "ana", .. there])).Out, StringComparison.Ordinal);
        CommandLineRun late = await node.RunAsync(["queue", "done", "1", "--token", "9", "--json", .. there]);
        Assert.Equal((ExitCode.NotAchieved, "not_held"), (late.Exit, late.Json().GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal(ExitCode.Ok, (await node.RunAsync(["queue", "done", "1", "--token", "1", .. there])).Exit);
        Assert.Equal(ExitCode.NotAchieved, (await node.RunAsync(["queue", "next", "--agent", "ana", "--channel", "empty", "--wait", "50ms", .. there])).Exit);
        Assert.Equal("- [x] [seq:1] a\n- [ ] [seq:2] [depends:1] b\n", (await node.RunAsync(["queue", "export", .. there])).Out);
        node.Folder.Write("more.md", "[seq:1] a\n[seq:9] [depends:2] c\n");
        Assert.Equal("9 [waiting] c\n1 added, 1 were there already\n", (await node.RunAsync(["queue", "import", "more.md", .. there])).Out);
        Assert.Equal("1 [done] a\n└─ 2 [ready] b\n   └─ 9 [waiting] c\n", (await node.RunAsync(["queue", "graph", .. there])).Out);
        Assert.Equal(ExitCode.Ok, (await node.RunAsync(["queue", "cancel", "2", "--dependents", "--yes", .. there])).Exit);

        Assert.Equal(ExitCode.Ok, await node.StopAsync());
        Assert.Equal(ExitCode.Ok, (await node.RunAsync("queue", "push", "d", "--data-dir", data)).Exit);
    }

    private static string[] Lines(string text) => [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
}
