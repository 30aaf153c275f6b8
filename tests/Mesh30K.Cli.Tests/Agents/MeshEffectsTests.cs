using System.Text;
using System.Text.Json;
using Mesh30K.Agent.Effects;

namespace Mesh30K.Cli.Tests.Agents;

/// <summary>The package's effects against a real node, whose ledger the command uses beside it.</summary>
public sealed class MeshEffectsTests
{
    private static readonly byte[] Request = "pay 77"u8.ToArray();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_effect_runs_once_and_its_output_is_replayed()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        using MeshEffects effects = Connect(node);
        int executed = 0;
        EffectRecord[] all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => effects.RunOnceAsync(
            "pay-77",
            Request,
            (execution, _) => Task.FromResult(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{execution.Key} {execution.Epoch} {Interlocked.Increment(ref executed)}"))),
            cancel: Cancel)));
        Assert.All(all, r => Assert.Equal("pay-77 1 1", Encoding.UTF8.GetString(r.Output.Span)));
        Assert.Single(all, r => !r.IsReplay);
        MeshEffectException other = await Assert.ThrowsAsync<MeshEffectException>(() => effects.RunOnceAsync("pay-77", "pay 78"u8.ToArray(), (_, _) => Task.FromResult(Array.Empty<byte>()), cancel: Cancel));
        Assert.Equal(EffectProblem.Refused, other.Problem);
        JsonElement shown = (await node.RunAsync("effect", "show", "pay-77", "--ledger", Path.Combine(".mesh", "ledger"), "--json")).Json();
        Assert.Equal("done", shown.GetProperty("effect").GetProperty("status").GetString());
    }

    [Fact]
    public async Task What_it_throws_says_whether_it_took_place()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        using MeshEffects effects = Connect(node);
        Assert.Equal(EffectProblem.NotRun, await ProblemAsync(effects, "a", new EffectDidNotRunException("busy")));
        Assert.Equal(EffectProblem.Failed, await ProblemAsync(effects, "a", new EffectDidNotRunException("no such account", isFinal: true)));
        Assert.Equal(EffectProblem.Failed, await ProblemAsync(effects, "a", new IOException("never thrown")));
        Assert.Equal(EffectProblem.InDoubt, await ProblemAsync(effects, "b", new IOException("the line went dead")));
        Assert.Equal(EffectProblem.InDoubt, await ProblemAsync(effects, "b", new IOException("never thrown")));
        JsonElement listed = (await node.RunAsync("effect", "list", "--ledger", Path.Combine(".mesh", "ledger"), "--status", "in-doubt", "--json")).Json();
        Assert.Equal("b", Assert.Single(listed.GetProperty("effects").EnumerateArray()).GetProperty("key").GetString());
        Assert.Equal(ExitCode.Ok, (await node.RunAsync("effect", "resolve", "b", "--not-done", "--yes", "--ledger", Path.Combine(".mesh", "ledger"))).Exit);
        Assert.False((await effects.RunOnceAsync("b", Request, (_, _) => Task.FromResult(Array.Empty<byte>()), cancel: Cancel)).IsReplay);
    }

    [Fact]
    public async Task Without_the_key_or_the_node_nothing_runs()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        using MeshEffects stranger = new(new MeshEffectsOptions { Node = new Uri(node.Address), OperatorKey = new string('A', 43) });
        Assert.Equal(EffectProblem.Refused, await ProblemAsync(stranger, "a", new IOException("never thrown")));
        using MeshEffects lonely = new(new MeshEffectsOptions { Node = new Uri("http://127.0.0.1:1"), OperatorKey = "x", NodeWithin = TimeSpan.FromMilliseconds(300) });
        Assert.Equal(EffectProblem.Unavailable, await ProblemAsync(lonely, "a", new IOException("never thrown")));
        Assert.DoesNotContain("AAAA", new MeshEffectsOptions { Node = new Uri(node.Address), OperatorKey = new string('A', 43) }.ToString(), StringComparison.Ordinal);
    }

    private static MeshEffects Connect(RunningNode node) => new(new MeshEffectsOptions { Node = new Uri(node.Address), OperatorKey = File.ReadAllText(node.KeyFile) });

    private static async Task<EffectProblem> ProblemAsync(MeshEffects effects, string key, Exception thrown) =>
        (await Assert.ThrowsAsync<MeshEffectException>(() => effects.RunOnceAsync(key, Request, (_, _) => throw thrown, cancel: Cancel))).Problem;
}
