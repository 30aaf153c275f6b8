using System.Collections.Concurrent;
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

    private static string Effect(EffectCall call, string outcome, string status) =>
        $$$"""{"outcome":"{{{outcome}}}","effect":{"principal":"agent:worker-1","key":"k","status":"{{{status}}}","epoch":1,"attempts":1,"executor":"{{{(call.Verb == "start" ? call.Text("executor") : "")}}}"}}""";
}
