using System.Globalization;
using System.Text.Json;
using Mesh30K.Cli.Verify;
using Mesh30K.Cli.Verify.Cluster;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Tests.Commands;

/// <summary>The verbs of a group of coordinators, on servers that are processes.</summary>
public sealed class CoordinatorVerbTests : IDisposable
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();
    private readonly List<ServerProcess> _servers = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Init_makes_a_folder_with_secret_keys_once()
    {
        JsonElement made = (await RunAsync("coordinator", "init", "g", "--nodes", "3", "--json")).Json();
        Assert.Equal([7411, 7412, 7413], made.GetProperty("servers").EnumerateArray().Select(s => s.GetProperty("port").GetInt32()));
        string[] keys = Directory.GetFiles(Path.Combine(_folder.FullName, "g"), "*.key");
        Assert.Equal(5, keys.Length);
        foreach (string key in keys)
            if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
        string before = File.ReadAllText(keys[0]);
        Assert.Equal(ExitCode.Usage, (await RunAsync("coordinator", "init", "g")).Exit);
        Assert.Equal(before, File.ReadAllText(keys[0]));
        Assert.Equal("bad_value", (await RunAsync("coordinator", "init", "h", "--nodes", "2", "--json")).Json().GetProperty("error").GetProperty("code").GetString());
        Assert.False(Directory.Exists(Path.Combine(_folder.FullName, "h")));
    }

    [Fact]
    public async Task A_group_shows_its_state_hands_its_lead_over_and_takes_a_fourth_server()
    {
        GroupFile group = await StartGroupAsync();
        int leader = await LeaderAsync();
        int next = group.Servers.First(s => s.Number != leader).Number;
        Assert.Equal(next, (await OkAsync("ledger", "transfer", $"{next}")).GetProperty("leader").GetInt32());
        Assert.Equal(3, (await OkAsync("ledger", "snapshot")).GetProperty("snapshots").GetArrayLength());

        Assert.Equal(4, (await OkAsync("ledger", "members", "add-learner", "4", "127.0.0.1:9", "--dry-run")).GetProperty("after").GetProperty("learners")[0].GetInt32());
        Assert.Equal("confirmation_needed", await CodeAsync("ledger", "members", "add-learner", "4", "127.0.0.1:9"));
        Assert.Equal("bad_step", await CodeAsync("ledger", "members", "promote", "4", "--yes"));
        Assert.Equal("bad_step", await CodeAsync("ledger", "members", "remove", "9", "--yes"));
        await OkAsync("ledger", "members", "add-learner", "4", "127.0.0.1:9", "--yes");
        Assert.Equal("4", Numbers(await OkAsync("ledger", "members"), "learners"));
        await OkAsync("ledger", "members", "remove", "4", "--yes");
        Assert.Equal("1 2 3", Numbers(await OkAsync("ledger", "members"), "voters"));
    }

    /// <summary>It missed a write, so the leader waits for it, and gives the transfer up after an election's time; the verb asks again while it has time.</summary>
    [Fact]
    public async Task The_lead_is_handed_over_to_a_server_that_stood_still_for_a_moment()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "stops a process by a signal");
        await StartGroupAsync();
        int leader = await LeaderAsync();
        ServerProcess next = _servers[leader % 3];
        LinuxCalls.Send(next.Pid, LinuxCalls.Signal.Stop);
        Assert.Equal(ExitCode.Ok, (await RunAsync("effect", "run", "--key", "k", "--ledger", "group", "--", "true")).Exit);
        Task<JsonElement> transfer = OkAsync("ledger", "transfer", $"{(leader % 3) + 1}");
        await Task.WhenAny(transfer, Task.Delay(2_500, Cancel));
        LinuxCalls.Send(next.Pid, LinuxCalls.Signal.Continue);
        Assert.Equal((leader % 3) + 1, (await transfer).GetProperty("leader").GetInt32());
    }

    [Fact]
    public async Task An_effect_runs_once_over_a_group_whose_leader_is_killed()
    {
        await StartGroupAsync();
        string[] effect = ["effect", "run", "--key", "k", "--ledger", "group", "--", "sh", "-c", "echo x >> lines; echo done"];
        Assert.Equal("done\n", (await RunAsync(effect)).Out);
        int leader = await LeaderAsync();
        await _servers[leader - 1].KillAsync();
        CommandLineRun again = await RunAsync(effect);
        Assert.True(again.Out == "done\n", again.Error);
        Assert.Equal("x\n", File.ReadAllText(Path.Combine(_folder.FullName, "lines")));
        CommandLineRun killed = await RunAsync("effect", "run", "--key", "d", "--ledger", "group", "--", "sh", "-c", "kill -9 $$");
        Assert.True(killed.Exit == ExitCode.InDoubt, killed.Error);
    }

    [Fact]
    public async Task Without_its_servers_a_group_is_said_to_be_unreachable()
    {
        ClusterFolders.Create(_folder.FullName, 3);
        CommandLineRun status = await RunAsync("ledger", "status", "--ledger", "group", "--timeout", "1", "--json");
        Assert.Equal((ExitCode.NotAchieved, 0), (status.Exit, status.Json().GetProperty("leader").GetInt32()));
        Assert.Equal("group_unreachable", await CodeAsync("ledger", "members", "--timeout", "1"));
        Assert.Equal("no_group", (await RunAsync("ledger", "status", "--json")).Json().GetProperty("error").GetProperty("code").GetString());
    }

    public void Dispose()
    {
        foreach (ServerProcess server in _servers) server.Dispose();
        _folder.Dispose();
    }

    private async Task<GroupFile> StartGroupAsync()
    {
        GroupFile group = ClusterFolders.Create(_folder.FullName, 3);
        foreach (GroupServer server in group.Servers)
            _servers.Add(new ServerProcess(server.Number, ClusterFolders.Direct(_folder.FullName), Path.Combine(_folder.FullName, "data-" + server.Number.ToString(CultureInfo.InvariantCulture))));
        await Task.WhenAll(_servers.Select(s => s.StartAsync(ignoresFileSizeSignal: false, Cancel)));
        return group;
    }

    /// <summary>Who leads, when somebody does.</summary>
    private async Task<int> LeaderAsync()
    {
        DateTime until = DateTime.UtcNow + Generous;
        while (DateTime.UtcNow < until)
        {
            CommandLineRun status = await RunAsync("ledger", "status", "--ledger", "group", "--timeout", "1", "--json");
            if (status.Exit == ExitCode.Ok) return status.Json().GetProperty("leader").GetInt32();
        }
        throw new TimeoutException("nobody leads");
    }

    private static string Numbers(JsonElement result, string name) => string.Join(' ', result.GetProperty(name).EnumerateArray().Select(n => n.GetInt32()));

    private async Task<JsonElement> OkAsync(params string[] args)
    {
        CommandLineRun run = await RunAsync([.. args, "--ledger", "group", "--timeout", "60", "--json"]);
        Assert.True(run.Exit == ExitCode.Ok, run.Out + run.Error);
        return run.Json();
    }

    private async Task<string> CodeAsync(params string[] args)
    {
        CommandLineRun run = await RunAsync([.. args, "--ledger", "group", .. args.Contains("--timeout") ? (string[])[] : ["--timeout", "60"], "--json"]);
        Assert.NotEqual(ExitCode.Ok, run.Exit);
        return run.Json().GetProperty("error").GetProperty("code").GetString()!;
    }

    private Task<CommandLineRun> RunAsync(params string[] args) => RunningNode.RunInAsync(_folder.FullName, args);
}
