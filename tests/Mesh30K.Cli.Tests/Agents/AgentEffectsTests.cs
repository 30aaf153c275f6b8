using System.Text;
using System.Text.Json;
using Mesh30K.Agent;
using Mesh30K.Agent.Effects;

namespace Mesh30K.Cli.Tests.Agents;

/// <summary>Agents with effects of their own at a real node: they join by a token, sign, and have no other key.</summary>
public sealed class AgentEffectsTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);
    private static readonly byte[] Request = "pay 77"u8.ToArray();
    private static readonly string Ledger = Path.Combine(".mesh", "ledger");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_agent_joins_and_its_effect_runs_once()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        await using MeshAgent agent = await AgentAsync(node, "words-1");
        _ = agent.RunAsync((_, _) => Task.FromResult(WorkResult.Ready()), Cancel);
        using MeshEffects effects = agent.Effects();
        int executed = 0;
        Task<EffectRecord> RunAsync() => effects.RunOnceAsync(
            "pay-77", Request, (execution, _) => Task.FromResult(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{execution.Key} {execution.Epoch} {Interlocked.Increment(ref executed)}"))), cancel: Cancel);
        EffectRecord[] first = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => RunAsync()));
        Assert.Single(first, r => !r.IsReplay);
        EffectRecord second = await RunAsync();
        Assert.Equal((true, "pay-77 1 1"), (second.IsReplay, Encoding.UTF8.GetString(second.Output.Span)));
        JsonElement shown = (await node.RunAsync("effect", "show", "pay-77", "--principal", "agent:words-1", "--ledger", Ledger, "--json")).Json();
        Assert.Equal("done", shown.GetProperty("effect").GetProperty("status").GetString());
    }

    [Fact]
    public async Task Two_agents_have_the_same_key_each_for_itself_and_an_effect_in_a_handler_runs_once()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        int executed = 0;
        List<(MeshAgent Agent, MeshEffects Effects)> agents = [];
        foreach (string id in (string[])["words-1", "words-2"])
        {
            MeshAgent agent = await AgentAsync(node, id);
            MeshEffects effects = agent.Effects(o => o with { Lease = TimeSpan.FromSeconds(20) });
            _ = agent.RunAsync(
                async (work, cancel) =>
                {
                    EffectRecord sent = await effects.RunOnceAsync("mail", Encoding.UTF8.GetBytes(work.Payload), (_, _) => Task.FromResult(Encoding.UTF8.GetBytes($"{id} {Interlocked.Increment(ref executed)}")), cancel: cancel);
                    return WorkResult.Ready($"{Encoding.UTF8.GetString(sent.Output.Span)} {(sent.IsReplay ? "replayed" : "executed")}");
                },
                Cancel);
            agents.Add((agent, effects));
        }
        Assert.Equal("words-1 1 executed", await DelegateAsync(node, "words-1"));
        Assert.Equal("words-1 1 replayed", await DelegateAsync(node, "words-1"));
        Assert.Equal("words-2 2 executed", await DelegateAsync(node, "words-2"));
        foreach ((MeshAgent agent, MeshEffects effects) in agents)
        {
            effects.Dispose();
            await agent.DisposeAsync();
        }
    }

    [Fact]
    public async Task What_is_in_doubt_the_operator_decides_and_a_revoked_agent_runs_nothing()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        await using MeshAgent agent = await AgentAsync(node, "words-1");
        _ = agent.RunAsync((_, _) => Task.FromResult(WorkResult.Ready()), Cancel);
        using MeshEffects effects = agent.Effects();
        Assert.Equal(EffectProblem.InDoubt, await ProblemAsync(effects, new IOException("the line went dead")));
        Assert.Equal(EffectProblem.InDoubt, await ProblemAsync(effects, new IOException("never thrown")));
        Assert.Equal(ExitCode.Ok, (await node.RunAsync("effect", "resolve", "a", "--principal", "agent:words-1", "--not-done", "--yes", "--ledger", Ledger)).Exit);
        Assert.False((await effects.RunOnceAsync("a", Request, (_, _) => Task.FromResult(Array.Empty<byte>()), cancel: Cancel)).IsReplay);

        Assert.Equal(ExitCode.Ok, (await node.RunAsync("agent", "revoke", "words-1", "--yes")).Exit);
        MeshEffectException refused = await Assert.ThrowsAsync<MeshEffectException>(() => effects.RunOnceAsync("b", Request, (_, _) => throw new IOException("never thrown"), cancel: Cancel));
        Assert.True(refused.Problem is EffectProblem.Refused or EffectProblem.Unavailable, refused.Message); // the node refuses it, or the agent has heard of it and ended
    }

    [Fact]
    public async Task An_agent_that_does_not_run_signs_nothing_and_options_go_together()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        await using MeshAgent agent = await AgentAsync(node, "words-1");
        using MeshEffects early = agent.Effects(o => o with { NodeWithin = TimeSpan.FromMilliseconds(200) });
        Assert.Equal(EffectProblem.Unavailable, await ProblemAsync(early, new IOException("never thrown")));
        using CancellationTokenSource stop = new();
        Task running = agent.RunAsync((_, _) => Task.FromResult(WorkResult.Ready()), stop.Token);
        using MeshEffects effects = agent.Effects();
        Assert.False((await effects.RunOnceAsync("a", Request, (_, _) => Task.FromResult(Array.Empty<byte>()), cancel: Cancel)).IsReplay);
        await stop.CancelAsync();
        await running.WaitAsync(Generous, Cancel);
        MeshEffectException ended = await Assert.ThrowsAsync<MeshEffectException>(() => effects.RunOnceAsync("b", Request, (_, _) => throw new IOException("never thrown"), cancel: Cancel));
        Assert.Equal((EffectProblem.Unavailable, true), (ended.Problem, ended.Message.Contains("the agent has ended", StringComparison.Ordinal)));
        Assert.Throws<ArgumentException>(() => agent.Effects(o => o with { OperatorKey = "x" }));
        Assert.Throws<ArgumentException>(() => agent.Effects(o => o with { Principal = "default" }));
        Assert.ThrowsAny<ArgumentException>(() => new MeshEffects(new MeshEffectsOptions { Node = new Uri(node.Address) }));
    }

    private static async Task<MeshAgent> AgentAsync(RunningNode node, string id)
    {
        CommandLineRun enrolled = await node.RunAsync("agent", "enrol", id, "--class", "local", "--bare");
        return new MeshAgent(new MeshAgentOptions { Node = new Uri(node.Address), IdentityFolder = Path.Combine(node.Folder.FullName, id), Id = new(id), Token = enrolled.Out.Trim() });
    }

    /// <summary>Gives the same task to an agent until it is there to take it.</summary>
    private static async Task<string> DelegateAsync(RunningNode node, string to)
    {
        DateTime until = DateTime.UtcNow + Generous;
        while (true)
        {
            CommandLineRun run = await node.RunAsync("delegate", "mail to zoe", "--to", to, "--timeout", "30s", "--json");
            if (run.Exit == ExitCode.Ok && run.Json().GetProperty("outcome").GetString() == "DONE") return run.Json().GetProperty("result").GetString()!;
            Assert.True(DateTime.UtcNow < until, run.Out + run.Error);
            await Task.Delay(100, Cancel);
        }
    }

    private static async Task<EffectProblem> ProblemAsync(MeshEffects effects, Exception thrown) =>
        (await Assert.ThrowsAsync<MeshEffectException>(() => effects.RunOnceAsync("a", Request, (_, _) => throw thrown, cancel: Cancel))).Problem;
}
