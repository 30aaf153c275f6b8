using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Tests.Links.Webhook;

/// <summary>Deliveries over webhooks, with real servers.</summary>
public sealed class WebhookLinkTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Task UntilAsync(Func<bool> holds, string what) => LinkFixture.WaitAsync(holds, what);

    private static async Task<(WebhookFixture Mesh, WebhookServer Server, HookAgent Agent)> StartAsync(Func<Node.Links.Webhook.WebhookOptions, Node.Links.Webhook.WebhookOptions>? with = null)
    {
        WebhookServer server = await WebhookServer.StartAsync();
        WebhookFixture mesh = new();
        HookAgent agent = await mesh.EnrolAsync("hook-1", server.Address);
        server.Handle = agent.AnswerAsync;
        mesh.Start([server.Address.GetLeftPart(UriPartial.Authority) + "/"], with);
        await mesh.JoinedAsync(1);
        return (mesh, server, agent);
    }

    [Fact]
    public async Task A_delivery_is_posted_signed_and_its_answer_is_the_ack()
    {
        var (mesh, server, agent) = await StartAsync();
        await using (server)
        await using (mesh)
        {
            string id = mesh.Deliver("hook-1", payload: "{\"task\":\"count\"}");
            await UntilAsync(() => mesh.Mesh.Acks.Count == 1, "the ack");
            AgentAck ack = Assert.Single(mesh.Mesh.Acks);
            Assert.Equal((TrinaryState.Ready, 7.5f, mesh.Mesh.Of("hook-1").Place.Slot), (ack.State, ack.ProcessingMs, ack.Slot));
            byte[] request = Assert.Single(server.Requests);
            Assert.Equal((id, "count"), (HookAgent.IdOf(request), HookAgent.Peek(request).GetProperty("payload").GetProperty("task").GetString()));
            Assert.Equal((1L, 1L, 0L), (mesh.Link.View().Calls, mesh.Link.View().Acks, mesh.Link.View().Retries));
        }
    }

    [Fact]
    public async Task A_conflict_comes_with_its_detail()
    {
        var (mesh, server, agent) = await StartAsync();
        await using (server)
        await using (mesh)
        {
            server.Handle = async (context, body) =>
            {
                (FrameHeader header, JsonElement message) = agent.Read(body);
                await context.Response.Body.WriteAsync(agent.Sign(header, agent.Beat(), agent.Ack(message, -1, ",\"conflict_detail\":{\"type\":\"CAPABILITY_MISMATCH\"}")), Cancel);
            };
            mesh.Deliver("hook-1");
            await UntilAsync(() => mesh.Mesh.Acks.Count == 1 && mesh.Mesh.Heartbeats.Count == 1, "the ack and the heartbeat");
            AgentAck ack = Assert.Single(mesh.Mesh.Acks);
            Assert.Equal((TrinaryState.Conflict, ConflictType.CapabilityMismatch), (ack.State, ack.Detail!.Conflict!.Type));
            Assert.Equal(3, Assert.Single(mesh.Mesh.Heartbeats).QueueDepth);
        }
    }

    [Fact]
    public async Task Failures_are_tried_again_with_the_same_message_in_a_new_frame()
    {
        var (mesh, server, agent) = await StartAsync();
        await using (server)
        await using (mesh)
        {
            int call = 0;
            server.Handle = async (context, body) =>
            {
                (FrameHeader header, JsonElement message) = agent.Read(body);
                switch (Interlocked.Increment(ref call))
                {
                    case 1: context.Response.StatusCode = 500; break;
                    case 2: context.Response.StatusCode = 429; break;
                    case 3: context.Abort(); break;
                    case 4: context.Response.StatusCode = 202; break;
                    case 5: await context.Response.Body.WriteAsync(agent.Sign(header, agent.Ack(message, 0)), Cancel); break;
                    default: await context.Response.Body.WriteAsync(agent.Sign(header, agent.Ack(message, 1)), Cancel); break;
                }
            };
            string id = mesh.Deliver("hook-1");
            await UntilAsync(() => !mesh.Mesh.Acks.IsEmpty, "the ack");
            Assert.Equal(TrinaryState.Ready, Assert.Single(mesh.Mesh.Acks).State);
            Assert.Equal([.. Enumerable.Repeat(id, 6)], server.Requests.Select(HookAgent.IdOf));
            Assert.Equal(6, server.Requests.Select(r => Encoding.UTF8.GetString(r).Split('\n')[0]).Distinct().Count());
            Assert.Equal(5, mesh.Link.View().Retries);
        }
    }

    [Fact]
    public async Task A_slow_server_is_given_up_at_the_end_of_the_time_to_live()
    {
        var (mesh, server, _) = await StartAsync(o => o with { CallWithin = TimeSpan.FromMilliseconds(100) });
        await using (server)
        await using (mesh)
        {
            server.Handle = (context, _) => Task.Delay(Timeout.Infinite, context.RequestAborted);
            mesh.Deliver("hook-1", ttlMs: 5_000); // long enough for one call to time out, however slow the machine is
            await UntilAsync(() => mesh.Link.View().GivenUp == 1, "the delivery given up");
            Assert.Empty(mesh.Mesh.Acks);
            Assert.True(mesh.Link.View().Failures["timeout"] >= 1);
            int calls = server.Requests.Count;
            server.Handle = (_, _) => throw new InvalidOperationException("called after the end");
            Assert.Equal(0, mesh.Link.View().Waiting);
            Assert.Equal(calls, server.Requests.Count);
        }
    }

    [Fact]
    public async Task A_redirect_is_refused_and_not_followed()
    {
        var (mesh, server, _) = await StartAsync();
        await using WebhookServer elsewhere = await WebhookServer.StartAsync();
        await using (server)
        await using (mesh)
        {
            foreach (int status in (int[])[301, 302, 303, 307, 308])
            {
                server.Handle = (context, _) =>
                {
                    context.Response.StatusCode = status;
                    context.Response.Headers.Location = elsewhere.Address.ToString();
                    return Task.CompletedTask;
                };
                mesh.Deliver("hook-1");
                await UntilAsync(() => mesh.Link.View().Failures.GetValueOrDefault("redirect") == server.Requests.Count && mesh.Link.View().Waiting == 0, $"the refusal of {status}");
            }
            await UntilAsync(() => server.Requests.Count == 5, "five calls");
            Assert.Empty(elsewhere.Requests);
            Assert.Empty(mesh.Mesh.Acks);
            Assert.Equal(0, mesh.Link.View().Retries);
        }
    }

    [Fact]
    public async Task An_address_that_is_not_allowed_is_never_called()
    {
        await using WebhookServer server = await WebhookServer.StartAsync();
        await using WebhookFixture mesh = new();
        await mesh.EnrolAsync("hook-1", server.Address);
        mesh.Start(["https://agents.example.com/", server.Address.GetLeftPart(UriPartial.Authority) + "/other/"]);
        await mesh.JoinedAsync(1);
        mesh.Deliver("hook-1");
        await UntilAsync(() => mesh.Link.View().Failures.GetValueOrDefault("address_not_allowed") == 1, "the refusal");
        Assert.Empty(server.Requests);
    }

    /// <summary>A name that leads to this machine is as good as its address, unless the operator said so.</summary>
    [Fact]
    public async Task A_name_that_resolves_to_loopback_is_refused_when_connecting()
    {
        await using WebhookServer server = await WebhookServer.StartAsync();
        string? name = ((string[])["ip6-localhost", "localhost.localdomain", "mesh.localhost", Environment.MachineName]).FirstOrDefault(IsNotPublic);
        if (name is null) Assert.Skip("no name but localhost resolves to an address of this machine here");
        foreach (string mark in (string[])["", "private:"])
        {
            await using WebhookFixture mesh = new();
            Uri address = new($"http://{name}:{server.Address.Port}/hook");
            await mesh.EnrolAsync("hook-1", address);
            mesh.Start([mark + address]);
            await mesh.JoinedAsync(1);
            mesh.Deliver("hook-1");
            if (mark.Length == 0) await UntilAsync(() => mesh.Link.View().Failures.GetValueOrDefault("address_not_allowed") == 1, "the refusal");
            else await UntilAsync(() => !server.Requests.IsEmpty || mesh.Link.View().Failures.ContainsKey("broken"), "the call");
            if (mark.Length == 0) Assert.Empty(server.Requests);
            else Assert.False(mesh.Link.View().Failures.ContainsKey("address_not_allowed"));
        }
    }

    private static bool IsNotPublic(string name)
    {
        try
        {
            System.Net.IPAddress[] all = System.Net.Dns.GetHostAddresses(name);
            return all.Length > 0 && !all.Any(Node.Links.Webhook.PublicAddress.Is);
        }
        catch (System.Net.Sockets.SocketException)
        {
            return false;
        }
    }

    [Fact]
    public async Task Forged_replayed_and_unsigned_answers_are_refused_and_the_true_one_is_taken()
    {
        var (mesh, server, agent) = await StartAsync();
        using Ed25519PrivateKey stranger = Ed25519PrivateKey.Generate();
        await using (server)
        await using (mesh)
        {
            byte[]? earlier = null;
            int call = 0;
            server.Handle = async (context, body) =>
            {
                (FrameHeader header, JsonElement message) = agent.Read(body);
                HookAgent forger = new("hook-1", stranger, mesh.Identity.MeshId, () => mesh.Identity.Signing.PublicKey, () => mesh.Clock.Now);
                byte[] good = agent.Sign(header, agent.Ack(message, 1)), changed = [.. good];
                changed[^3] ^= 1;
                byte[] answer = Interlocked.Increment(ref call) switch
                {
                    1 => good,
                    2 => earlier!,
                    3 => forger.Sign(header, agent.Ack(message, 1)),
                    4 => Encoding.UTF8.GetBytes(agent.Ack(message, 1)),
                    5 => changed,
                    6 => agent.Sign(header.Epoch + 1, header.Seq, agent.Ack(message, 1)),
                    7 => agent.Sign(header.Epoch, header.Seq + 30, agent.Ack(message, 1)),
                    8 => body,
                    9 => [],
                    _ => good,
                };
                earlier ??= good;
                await context.Response.Body.WriteAsync(answer, Cancel);
            };
            mesh.Deliver("hook-1");
            await UntilAsync(() => mesh.Mesh.Acks.Count == 1, "the first ack");
            mesh.Deliver("hook-1");
            // The number 30 ahead was accepted by the gate and refused as no answer to this request: those after it are within the window.
            await UntilAsync(() => mesh.Mesh.Acks.Count == 2 || call > 20, "the second ack");
            IReadOnlyDictionary<string, long> failures = mesh.Link.View().Failures;
            Assert.Equal(["bad_signature", "malformed", "replayed", "unknown_key", "wrong_address", "wrong_epoch"], failures.Keys.Order(StringComparer.Ordinal));
            Assert.Equal((1, 2), (failures["unknown_key"], mesh.Mesh.Acks.Count));
        }
    }

    [Fact]
    public async Task An_answer_about_something_else_or_too_large_is_refused()
    {
        var (mesh, server, agent) = await StartAsync(o => o with { AnswerBytesMax = 2_000 });
        await using (server)
        await using (mesh)
        {
            int call = 0;
            server.Handle = async (context, body) =>
            {
                (FrameHeader header, JsonElement message) = agent.Read(body);
                string ack = agent.Ack(message, 1);
                byte[] answer = Interlocked.Increment(ref call) switch
                {
                    1 => agent.Sign(header, ack.Replace("hook-1", "hook-2", StringComparison.Ordinal)),
                    2 => agent.Sign(header, ack.Replace(message.GetProperty("message_id").GetString()!, "01ARZ3NDEKTSV4RRFFQ69G5FAV", StringComparison.Ordinal)),
                    3 => agent.Sign(header, "{\"type\":\"BYE\",\"reason\":\"\"}"),
                    4 => agent.Sign(header, "{\"type\":\"ACK\"}"),
                    _ => agent.Sign(header, agent.Ack(message, 1, $",\"result\":\"{new string('x', 5_000)}\"")),
                };
                await context.Response.Body.WriteAsync(answer, context.RequestAborted);
            };
            for (int i = 1; i <= 5; i++)
            {
                mesh.Deliver("hook-1");
                await UntilAsync(() => mesh.Link.View().Failures.Values.Sum() == i, $"refusal {i}");
            }
            Assert.Equal((3, 1, 1), (mesh.Link.View().Failures["unexpected"], mesh.Link.View().Failures["malformed"], mesh.Link.View().Failures["answer_too_large"]));
            Assert.Empty(mesh.Mesh.Acks);
        }
    }

    [Fact]
    public async Task Probes_ask_for_life_and_their_heartbeats_reach_the_mesh()
    {
        var (mesh, server, agent) = await StartAsync(o => o with { ProbeEvery = TimeSpan.FromMilliseconds(50) });
        await using (server)
        await using (mesh)
        {
            await UntilAsync(() => mesh.Mesh.Heartbeats.Count >= 3, "three heartbeats");
            Assert.Equal(1, mesh.Link.View().Alive);
            Assert.All(server.Requests, r => Assert.Equal("CLOCK", HookAgent.Peek(r).GetProperty("type").GetString()));
            server.Handle = (context, _) =>
            {
                context.Response.StatusCode = 500;
                return Task.CompletedTask;
            };
            await UntilAsync(() => mesh.Link.View().Alive == 0, "no life");
            server.Handle = agent.AnswerAsync;
            await UntilAsync(() => mesh.Link.View().Alive == 1, "life again");
        }
    }

    [Fact]
    public async Task One_call_at_a_time_for_an_agent_and_the_most_urgent_first()
    {
        var (mesh, server, agent) = await StartAsync();
        await using (server)
        await using (mesh)
        {
            TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
            server.Handle = async (context, body) =>
            {
                await go.Task;
                await agent.AnswerAsync(context, body);
            };
            string first = mesh.Deliver("hook-1", priority: Priority.Normal);
            await UntilAsync(() => server.Requests.Count == 1, "the first call");
            string low = mesh.Deliver("hook-1", priority: Priority.Normal), urgent = mesh.Deliver("hook-1", priority: Priority.Critical), high = mesh.Deliver("hook-1");
            go.SetResult();
            await UntilAsync(() => mesh.Mesh.Acks.Count == 4, "all acks");
            Assert.Equal([first, urgent, high, low], server.Requests.Select(HookAgent.IdOf));
            Assert.Equal(1, server.MostAtOnce);
        }
    }

    [Fact]
    public async Task Calls_over_all_agents_are_bounded()
    {
        await using WebhookServer server = await WebhookServer.StartAsync();
        await using WebhookFixture mesh = new();
        ConcurrentDictionary<string, HookAgent> agents = new(StringComparer.Ordinal);
        for (int i = 0; i < 6; i++) agents["hook-" + i] = await mesh.EnrolAsync("hook-" + i, new Uri(server.Address, "/hook-" + i));
        SemaphoreSlim go = new(0);
        server.Handle = async (context, body) =>
        {
            await go.WaitAsync(context.RequestAborted);
            await agents[context.Request.Path.Value![1..]].AnswerAsync(context, body);
        };
        mesh.Start([server.Address.GetLeftPart(UriPartial.Authority)], o => o with { CallsMax = 2 });
        await mesh.JoinedAsync(6);
        foreach (string name in agents.Keys) mesh.Deliver(name);
        await UntilAsync(() => server.Requests.Count == 2, "two calls");
        go.Release(6);
        await UntilAsync(() => mesh.Mesh.Acks.Count == 6, "six acks");
        Assert.Equal(2, server.MostAtOnce);
    }

    [Fact]
    public async Task A_delivery_that_is_taken_back_is_broken_off()
    {
        var (mesh, server, agent) = await StartAsync();
        await using (server)
        await using (mesh)
        {
            TaskCompletionSource aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);
            server.Handle = async (context, body) =>
            {
                using var _ = context.RequestAborted.Register(aborted.SetResult);
                await aborted.Task;
            };
            string id = mesh.Deliver("hook-1");
            await UntilAsync(() => server.Requests.Count == 1, "the call");
            Assert.True(MessageId.TryParse(id, out MessageId message));
            mesh.Link.Cancel(mesh.Mesh.Of("hook-1").AgentIndex, message, "another was faster");
            await aborted.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancel);
            server.Handle = agent.AnswerAsync;
            string next = mesh.Deliver("hook-1");
            await UntilAsync(() => mesh.Mesh.Acks.Count == 1, "the next ack");
            Assert.Equal([id, next], server.Requests.Select(HookAgent.IdOf));
        }
    }

    [Fact]
    public async Task Agents_that_enrol_later_join_and_revoked_ones_leave()
    {
        var (mesh, server, _) = await StartAsync(o => o with { ProbeEvery = TimeSpan.FromMilliseconds(20) });
        await using (server)
        await using (mesh)
        {
            HookAgent second = await mesh.EnrolAsync("hook-2", new Uri(server.Address, "/second"));
            await mesh.JoinedAsync(2);
            Assert.True(await mesh.Directory.RevokeAsync(new AgentId("hook-1"), null, mesh.Clock.Now));
            await UntilAsync(() => mesh.Mesh.Left.Contains(new AgentId("hook-1")), "leaving");
            await mesh.JoinedAsync(1);
            server.Handle = second.AnswerAsync;
            mesh.Deliver("hook-2");
            await UntilAsync(() => mesh.Mesh.Acks.Count == 1, "the other's ack");
        }
    }
}
