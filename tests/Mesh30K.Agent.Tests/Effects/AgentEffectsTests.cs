using System.Collections.Concurrent;
using System.Diagnostics;
using Mesh30K.Agent.Effects;
using Mesh30K.Agent.Tests.Session;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Tests.Effects;

/// <summary>An agent's effects against a node that does what a test tells it to. A real one: tests/Mesh30K.Cli.Tests/Agents/AgentEffectsTests.cs.</summary>
public sealed class AgentEffectsTests
{
    private static readonly byte[] Request = "pay 77"u8.ToArray();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>The mesh's clock is years away from this machine's: the agent signs by the mesh's. Each try is signed anew.</summary>
    [Fact]
    public async Task Each_call_is_signed_by_the_agents_key_the_meshs_clock_and_a_nonce_of_its_own()
    {
        await using AgentFixture fixture = new();
        _ = await fixture.ConnectedAsync();
        ConcurrentQueue<string> nonces = new();
        Queue<(int, string)> first = new([(503, """{"code":"just_started"}"""), (401, """{"code":"replayed"}"""), (401, """{"code":"signature_expired"}""")]);
        fixture.Mesh.Effects = call =>
        {
            Assert.Null(HttpSignature.TryParse(call.Header("Signature-Input"), call.Header("Signature"), out HttpSignature? signature));
            HttpRequestHead head = new("POST", "http", fixture.Mesh.Address.Authority, $"/v1/effects/{call.Verb}") { Field = call.Header };
            Ed25519PublicKey key = Assert.Single(fixture.Mesh.AgentKeys);
            Assert.True(signature!.Verify(head, key));
            Assert.Null(AgentRequest.Missing(signature.Input));
            Assert.Equal(ContentDigest.Of(call.Body), call.Header("Content-Digest"));
            Assert.Contains("content-digest", signature.Input.Components);
            Assert.Equal((AgentRequest.KeyIdOf(new AgentId("worker-1"), key.Id), fixture.Mesh.MeshId), (signature.Input.KeyId, signature.Input.Tag));
            Assert.InRange(signature.Input.Created!.Value - (fixture.Mesh.Now.Ticks / TimeSpan.TicksPerSecond), -60, 60); // the mesh's clock, not this machine's: they are years apart
            Assert.Null(call.Header("Authorization"));
            Assert.Equal("agent:worker-1", call.Text("principal"));
            nonces.Enqueue(signature.Input.Nonce!);
            return Task.FromResult(first.TryDequeue(out (int, string) refusal) ? refusal : (200, Effect(call, "ok", call.Verb == "start" ? "executing" : "done")));
        };
        using MeshEffects effects = fixture.Agent.Effects();
        Assert.False((await effects.RunOnceAsync("k", Request, (_, _) => Task.FromResult(Array.Empty<byte>()), cancel: Cancel)).IsReplay);
        Assert.Equal((5, 5), (nonces.Count, nonces.Distinct(StringComparer.Ordinal).Count()));
    }

    [Fact]
    public async Task What_is_cancelled_while_it_is_asked_for_is_given_back()
    {
        await using AgentFixture fixture = new();
        _ = await fixture.ConnectedAsync();
        using CancellationTokenSource stop = new();
        TaskCompletionSource<string> givenBack = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ConcurrentQueue<string> executors = new();
        fixture.Mesh.Effects = async call =>
        {
            if (call.Verb == "finish") givenBack.TrySetResult(call.Text("report"));
            if (call.Verb == "start") executors.Enqueue(call.Text("executor"));
            if (call.Verb == "start" && executors.Count == 1) await stop.CancelAsync(); // taken, and its answer comes too late
            return (200, Effect(call, "ok", call.Verb == "start" ? "executing" : "intended"));
        };
        using MeshEffects effects = fixture.Agent.Effects(o => o with { GiveBackWithin = FakeMesh.Generous });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => effects.RunOnceAsync("k", Request, (_, _) => throw new IOException("never thrown"), cancel: stop.Token));
        Assert.Equal("not_run", await givenBack.Task.WaitAsync(FakeMesh.Generous, Cancel));
        Assert.Single(executors.Distinct(StringComparer.Ordinal)); // asked again under the same name
    }

    [Fact]
    public async Task A_start_that_was_taken_unheard_and_is_over_leaves_no_doubt()
    {
        await using AgentFixture fixture = new();
        _ = await fixture.ConnectedAsync();
        TaskCompletionSource<string> report = new(TaskCreationOptions.RunContinuationsAsynchronously);
        fixture.Mesh.Effects = call =>
        {
            if (call.Verb == "finish") report.TrySetResult(call.Text("report"));
            return Task.FromResult((200, call.Verb == "start" ? Effect(call, "recorded", "in_doubt") : Effect(call, "ok", "intended")));
        };
        using MeshEffects effects = fixture.Agent.Effects();
        MeshEffectException notRun = await Assert.ThrowsAsync<MeshEffectException>(() => effects.RunOnceAsync("k", Request, (_, _) => throw new IOException("never thrown"), cancel: Cancel));
        Assert.Equal((EffectProblem.NotRun, "not_run"), (notRun.Problem, await report.Task.WaitAsync(FakeMesh.Generous, Cancel)));
    }

    /// <summary>What was never executed is not told as executed, whatever the node makes of the report; nor as surely not run when an earlier start may have.</summary>
    [Theory]
    [InlineData("did not run", 409, false, EffectProblem.NotRun)]
    [InlineData("did not run", 503, false, EffectProblem.Unrecorded)]
    [InlineData("late", 409, false, EffectProblem.NotRun)]
    [InlineData("late", 503, false, EffectProblem.Unavailable)]
    [InlineData("late", 200, true, EffectProblem.RunAgain)]
    [InlineData("unheard", 409, false, EffectProblem.NotRun)]
    [InlineData("unheard", 503, false, EffectProblem.Unavailable)]
    public async Task What_did_not_run_is_told_so_when_the_report_is_refused_or_lost(string how, int status, bool ranBefore, EffectProblem problem)
    {
        await using AgentFixture fixture = new();
        _ = await fixture.ConnectedAsync();
        fixture.Mesh.Effects = async call =>
        {
            if (call.Verb != "start") return (status, status == 200 ? Effect(call, "ok", "intended") : """{"code":"fenced","detail":"another one has come after"}""");
            if (how == "late") await Task.Delay(TimeSpan.FromMilliseconds(700), Cancel); // of a lease of 1 s
            return (200, how == "unheard" ? Effect(call, "recorded", "in_doubt") : Effect(call, "ok", "executing").Replace("\"attempts\":1", ranBefore ? "\"attempts\":2" : "\"attempts\":1", StringComparison.Ordinal));
        };
        using MeshEffects effects = fixture.Agent.Effects(o => o with { Lease = TimeSpan.FromSeconds(how == "late" ? 1 : 60), NodeWithin = TimeSpan.FromMilliseconds(300) });
        int executed = 0;
        MeshEffectException told = await Assert.ThrowsAsync<MeshEffectException>(() => effects.RunOnceAsync(
            "k",
            Request,
            (_, _) =>
            {
                executed++;
                throw how == "did not run" ? new EffectDidNotRunException("busy") : new IOException("never thrown");
            },
            honoursKey: ranBefore,
            Cancel));
        Assert.Equal((problem, how == "did not run" ? 1 : 0), (told.Problem, executed));
    }

    /// <summary>The node is away while a renewal is due, for longer than it is looked for at once; the lease is longer still.</summary>
    [Fact]
    public async Task A_lease_is_renewed_when_the_node_is_back_before_it_ends()
    {
        await using AgentFixture fixture = new();
        _ = await fixture.ConnectedAsync();
        long away = 0;
        TaskCompletionSource renewed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        fixture.Mesh.Effects = call =>
        {
            if (call.Verb == "renew" && away == 0) away = Stopwatch.GetTimestamp();
            bool isAway = call.Verb == "renew" && Stopwatch.GetElapsedTime(away) < TimeSpan.FromSeconds(2);
            if (call.Verb == "renew" && !isAway) renewed.TrySetResult();
            return Task.FromResult(isAway ? (503, "{}") : (200, Effect(call, "ok", call.Verb == "finish" ? "done" : "executing")));
        };
        using MeshEffects effects = fixture.Agent.Effects(o => o with { Lease = TimeSpan.FromSeconds(9), NodeWithin = TimeSpan.FromMilliseconds(100) });
        await effects.RunOnceAsync(
            "k",
            Request,
            async (_, _) =>
            {
                await renewed.Task.WaitAsync(FakeMesh.Generous, Cancel);
                return [];
            },
            cancel: Cancel);
    }

    [Fact]
    public async Task A_ledger_that_is_full_refuses_at_once()
    {
        await using AgentFixture fixture = new();
        _ = await fixture.ConnectedAsync();
        int asked = 0;
        fixture.Mesh.Effects = _ =>
        {
            asked++;
            return Task.FromResult((503, """{"code":"full","detail":"the ledger holds 100000 effects"}"""));
        };
        using MeshEffects effects = fixture.Agent.Effects(o => o with { NodeWithin = TimeSpan.FromMilliseconds(300) });
        MeshEffectException full = await Assert.ThrowsAsync<MeshEffectException>(() => effects.RunOnceAsync("k", Request, (_, _) => throw new IOException("never thrown"), cancel: Cancel));
        Assert.Equal((EffectProblem.Refused, "the ledger holds 100000 effects", 1), (full.Problem, full.Message, asked));
    }

    private static string Effect(EffectCall call, string outcome, string status) =>
        $$$"""{"outcome":"{{{outcome}}}","effect":{"principal":"agent:worker-1","key":"k","status":"{{{status}}}","epoch":1,"attempts":1,"executor":"{{{(call.Verb == "start" ? call.Text("executor") : "")}}}"}}""";
}
