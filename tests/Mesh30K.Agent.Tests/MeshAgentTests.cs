using System.Net.WebSockets;
using Mesh30K.Agent.Tests.Session;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Agent.Tests;

public sealed class MeshAgentTests
{
    /// <summary>Soon, and later than a machine that stands still for seconds begins what it was given.</summary>
    private const int SoonMs = 5_000;

    [Fact]
    public async Task An_agent_enrols_connects_and_answers_READY_not_before_T()
    {
        await using AgentFixture agent = new();
        FakeLink link = await agent.ConnectedAsync();
        CoordinationMessage order = agent.Mesh.Order(1, new { text = "hello" }, targetInMs: SoonMs);
        await link.SendAsync(order);
        AcknowledgeMessage ack = await link.NextAsync<AcknowledgeMessage>();
        double earlyMs = order.TargetArrivalTime.MsSince(agent.Mesh.Now);
        Assert.Equal((order.MessageId, TrinaryState.Ready, """{"text":"hello"}"""), (ack.MessageId, ack.TrinaryState, ack.Result));
        // The agent's idea of the mesh's clock is within half a round trip; a few ms for clocks that are set while the test runs.
        Assert.True(earlyMs < (link.RoundTripMsAtMost / 2) + 5, $"answered {earlyMs:0.0} ms before T, after a handshake of {link.RoundTripMsAtMost:0.0} ms");
        Assert.True(ack.ActualArrivalTime < order.TargetArrivalTime, "the ack tells when it was ready, not when it was sent");
        Assert.Equal(order.MessageId, Assert.Single(agent.Got).Id);
        Assert.DoesNotContain(agent.Lines, line => line.Contains("secret-of", StringComparison.Ordinal));
        Assert.DoesNotContain("secret-of", agent.Options.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_the_hold_it_answers_at_once()
    {
        await using AgentFixture agent = new();
        FakeLink link = await agent.ConnectedAsync(agent.Options with { HoldUntilTarget = false });
        CoordinationMessage order = agent.Mesh.Order(1, "x", targetInMs: 50_000);
        await link.SendAsync(order);
        Assert.Equal(TrinaryState.Ready, (await link.NextAsync<AcknowledgeMessage>()).TrinaryState);
    }

    [Fact]
    public async Task A_delivery_that_comes_again_is_worked_on_once_and_answered_again()
    {
        await using AgentFixture agent = new();
        TaskCompletionSource go = new();
        agent.Handler = async (_, _) =>
        {
            await go.Task;
            return WorkResult.Ready("done");
        };
        FakeLink link = await agent.ConnectedAsync();
        CoordinationMessage order = agent.Mesh.Order(1, "x");
        await link.SendAsync(order, order);
        await link.SendAsync(order);
        go.SetResult();
        AcknowledgeMessage first = await link.NextAsync<AcknowledgeMessage>();
        await link.SendAsync(order);
        AcknowledgeMessage again = await link.NextAsync<AcknowledgeMessage>();
        Assert.Equal(first.ToString(), again.ToString());
        Assert.Single(agent.Got);
    }

    [Fact]
    public async Task An_answer_that_a_broken_connection_lost_is_given_on_the_next_one()
    {
        await using AgentFixture agent = new();
        TaskCompletionSource started = new(), go = new();
        agent.Handler = async (_, _) =>
        {
            started.TrySetResult();
            await go.Task;
            return WorkResult.Ready("done");
        };
        FakeLink link = await agent.ConnectedAsync();
        CoordinationMessage order = agent.Mesh.Order(1, "x");
        await link.SendAsync(order);
        await started.Task.WaitAsync(FakeMesh.Generous, TestContext.Current.CancellationToken);
        link.Break();
        await agent.LoggedAsync("trying again");
        go.SetResult();

        FakeLink next = await agent.Mesh.LinkAsync();
        await next.SendAsync(order);
        Assert.Equal("done", (await next.NextAsync<AcknowledgeMessage>()).Result);
        Assert.Single(agent.Got);
    }

    [Fact]
    public async Task A_payload_that_is_not_the_one_that_was_hashed_is_a_conflict_and_no_work()
    {
        await using AgentFixture agent = new();
        FakeLink link = await agent.ConnectedAsync();
        await link.SendAsync(agent.Mesh.Order(1, "x", hash: "y"));
        AcknowledgeMessage ack = await link.NextAsync<AcknowledgeMessage>();
        Assert.Equal((TrinaryState.Conflict, ConflictType.HashMismatch), (ack.TrinaryState, ack.ConflictDetail!.Type));
        Assert.Empty(agent.Got);
    }

    [Fact]
    public async Task A_handler_that_throws_or_says_too_much_is_a_conflict_that_says_so()
    {
        await using AgentFixture agent = new();
        agent.Handler = (work, _) => work.Payload switch
        {
            "1" => throw new InvalidDataException("the disk is full"),
            "2" => Task.FromResult(WorkResult.Ready(new string('x', WorkResult.ResultBytesMax + 1))),
            "3" => Task.FromResult(WorkResult.Conflict(new ConflictDetail { Type = ConflictType.ContextDivergence, ContextHash = new string('x', 500) })),
            _ => Task.FromResult(WorkResult.Ready(new string('\u0001', WorkResult.ResultBytesMax))),
        };
        FakeLink link = await agent.ConnectedAsync();
        string[] expected = ["the disk is full", "at most 65536", "cannot be sent"];
        for (int i = 0; i < expected.Length; i++)
        {
            await link.SendAsync(agent.Mesh.Order(i, i + 1));
            AcknowledgeMessage ack = await link.NextAsync<AcknowledgeMessage>();
            Assert.Equal((TrinaryState.Conflict, ConflictType.Other), (ack.TrinaryState, ack.ConflictDetail!.Type));
            Assert.Contains(expected[i], ack.ConflictDetail.ConflictingData.ToString(), StringComparison.Ordinal);
        }
        await link.SendAsync(agent.Mesh.Order(9, 9));
        Assert.Equal(WorkResult.ResultBytesMax, (await link.NextAsync<AcknowledgeMessage>()).Result!.Length);
    }

    [Fact]
    public async Task Work_is_done_as_many_at_once_as_asked_and_more_than_the_queue_holds_is_a_conflict()
    {
        await using AgentFixture agent = new();
        using SemaphoreSlim go = new(0);
        int running = 0, most = 0;
        agent.Handler = async (_, cancel) =>
        {
            int now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            await go.WaitAsync(cancel);
            Interlocked.Decrement(ref running);
            return WorkResult.Ready();
        };
        FakeLink link = await agent.ConnectedAsync(agent.Options with { Concurrency = 2, QueueMax = 3 });
        for (int i = 0; i < 6; i++) await link.SendAsync(agent.Mesh.Order(i, i));
        AcknowledgeMessage full = await link.NextAsync<AcknowledgeMessage>();
        Assert.Equal(TrinaryState.Conflict, full.TrinaryState);
        Assert.Contains("queue is full", full.ConflictDetail!.ConflictingData.ToString(), StringComparison.Ordinal);
        go.Release(5);
        for (int i = 0; i < 5; i++) Assert.Equal(TrinaryState.Ready, (await link.NextAsync<AcknowledgeMessage>()).TrinaryState);
        Assert.Equal(2, most);

        static void InterlockedMax(ref int target, int value)
        {
            int seen;
            while ((seen = Volatile.Read(ref target)) < value && Interlocked.CompareExchange(ref target, value, seen) != seen) { }
        }
    }

    [Fact]
    public async Task What_the_mesh_takes_back_is_cancelled_and_not_answered()
    {
        await using AgentFixture agent = new();
        TaskCompletionSource started = new(), cancelled = new();
        agent.Handler = async (work, cancel) =>
        {
            if (work.Payload != "1") return WorkResult.Ready("after");
            started.SetResult();
            await using CancellationTokenRegistration _ = cancel.Register(cancelled.SetResult);
            await Task.Delay(Timeout.Infinite, cancel);
            return WorkResult.Ready("never");
        };
        FakeLink link = await agent.ConnectedAsync();
        CoordinationMessage first = agent.Mesh.Order(1, 1);
        await link.SendAsync(first);
        await started.Task.WaitAsync(FakeMesh.Generous, TestContext.Current.CancellationToken);
        await link.SendAsync(new CancelMessage { MessageId = first.MessageId, Reason = "another was faster" });
        await cancelled.Task.WaitAsync(FakeMesh.Generous, TestContext.Current.CancellationToken);
        await link.SendAsync(first, agent.Mesh.Order(2, 2));
        Assert.Equal("after", (await link.NextAsync<AcknowledgeMessage>()).Result);
    }

    [Fact]
    public async Task At_the_end_of_its_time_to_live_work_is_cancelled_and_what_is_over_is_not_begun()
    {
        await using AgentFixture agent = new();
        TaskCompletionSource cancelled = new();
        agent.Handler = async (work, cancel) =>
        {
            if (work.Payload != "1") return WorkResult.Ready("after");
            await using CancellationTokenRegistration _ = cancel.Register(cancelled.SetResult);
            await Task.Delay(Timeout.Infinite, cancel);
            return WorkResult.Ready("never");
        };
        FakeLink link = await agent.ConnectedAsync();
        await link.SendAsync(agent.Mesh.Order(3, 3, ttlMs: 0, ageMs: 60_000), agent.Mesh.Order(1, 1, ttlMs: SoonMs));
        await cancelled.Task.WaitAsync(FakeMesh.Generous, TestContext.Current.CancellationToken);
        await link.SendAsync(agent.Mesh.Order(2, 2));
        Assert.Equal("after", (await link.NextAsync<AcknowledgeMessage>()).Result);
        Assert.DoesNotContain(agent.Got, work => work.Payload == "3");
    }

    [Fact]
    public async Task Frozen_it_starts_nothing_until_the_thaw()
    {
        await using AgentFixture agent = new();
        FakeLink link = await agent.ConnectedAsync();
        await link.SendAsync(new FreezeMessage { Scope = MeshScope.Global, PreserveStateTo = "x" });
        await link.SendAsync(agent.Mesh.Order(1, 1));
        // What is not begun is still known: the same order again gets no answer, a taken-back one neither. A conflict goes out at once, and shows that the order was read.
        await link.SendAsync(agent.Mesh.Order(2, 2, hash: "y"));
        Assert.Equal(TrinaryState.Conflict, (await link.NextAsync<AcknowledgeMessage>()).TrinaryState);
        Assert.Empty(agent.Got);
        await link.SendAsync(new ThawMessage { Scope = MeshScope.Global });
        Assert.Equal("1", (await link.NextAsync<AcknowledgeMessage>()).Result);
    }

    [Fact]
    public async Task Stopped_it_ends_what_it_does_answers_and_says_bye()
    {
        await using AgentFixture agent = new();
        TaskCompletionSource started = new(), goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        agent.Handler = async (_, _) =>
        {
            started.SetResult();
            await goOn.Task.WaitAsync(FakeMesh.Generous, CancellationToken.None);
            return WorkResult.Ready("done");
        };
        FakeLink link = await agent.ConnectedAsync(agent.Options with { StopWithin = FakeMesh.Generous });
        await link.SendAsync(agent.Mesh.Order(1, 1));
        await started.Task.WaitAsync(FakeMesh.Generous, TestContext.Current.CancellationToken);
        Task stopping = agent.StopAsync();
        goOn.SetResult(); // the stop has come amid the work
        await stopping;
        Assert.Equal("done", (await link.NextAsync<AcknowledgeMessage>()).Result);
        Assert.False((await link.NextAsync<ByeMessage>()).Leave);
        await Assert.ThrowsAsync<WebSocketException>(() => link.NextAsync<WireMessage>());
        await agent.EndedAsync();
    }

    [Fact]
    public async Task Circuit_changes_are_told()
    {
        await using AgentFixture agent = new();
        TaskCompletionSource<CircuitBreakerMessage> told = new();
        FakeLink link = await agent.ConnectedAsync(agent.Options with { Circuit = told.SetResult });
        await link.SendAsync(new CircuitBreakerMessage { Action = CircuitAction.Open, Scope = MeshScope.Sector, TargetId = "sector/3", Reason = "p95\nfar above" });
        Assert.Equal("sector/3", (await told.Task.WaitAsync(FakeMesh.Generous, TestContext.Current.CancellationToken)).TargetId);
        await agent.LoggedAsync("circuit OPEN of sector/3: p95 far above");
    }

    [Theory]
    [InlineData("revoked")]
    [InlineData("unknown_agent")]
    [InlineData("unknown_key")]
    public async Task Refused_for_good_it_ends_and_says_why(string code)
    {
        await using AgentFixture agent = new();
        agent.Mesh.Refusals.Enqueue((new RefusedMessage { Code = code, Message = "an operator decided so" }, true));
        agent.Start();
        MeshRefusedException refused = await Assert.ThrowsAsync<MeshRefusedException>(agent.EndedAsync);
        Assert.Equal((code, "an operator decided so"), (refused.Code, refused.Message));
        Assert.Equal(1, agent.Mesh.Connections);
    }

    [Fact]
    public async Task Refused_for_now_or_by_somebody_who_did_not_sign_it_tries_again()
    {
        await using AgentFixture agent = new();
        agent.Mesh.Refusals.Enqueue((new RefusedMessage { Code = "connection_limit", Message = "full", RetryAfterMs = 100 }, true));
        agent.Mesh.Refusals.Enqueue((new RefusedMessage { Code = "revoked", Message = "says a stranger" }, false));
        FakeLink link = await agent.ConnectedAsync();
        await link.SendAsync(agent.Mesh.Order(1, 1));
        Assert.Equal(TrinaryState.Ready, (await link.NextAsync<AcknowledgeMessage>()).TrinaryState);
        Assert.Equal(3, agent.Mesh.Connections);
    }

    [Theory]
    [InlineData("token_used")]
    [InlineData("token_expired")]
    public async Task A_token_that_is_not_good_ends_it(string code)
    {
        await using AgentFixture agent = new();
        agent.Mesh.EnrolmentRefusal = (409, code);
        agent.Start();
        MeshRefusedException refused = await Assert.ThrowsAsync<MeshRefusedException>(agent.EndedAsync);
        Assert.Equal(code, refused.Code);
        Assert.DoesNotContain("secret-of", refused.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mesh_without_the_key_of_the_token_gets_no_agent()
    {
        await using AgentFixture agent = new();
        using Protocol.Signing.Ed25519PrivateKey other = Protocol.Signing.Ed25519PrivateKey.Generate();
        MeshAgentOptions options = agent.Options with { Token = $"mt1.0123456789abcdef.{other.PublicKey.Id.Value[2..]}.x" };
        agent.Start(options);
        Assert.Equal("wrong_mesh", (await Assert.ThrowsAsync<MeshRefusedException>(agent.EndedAsync)).Code);
        agent.Start(options with { Token = "hello" });
        Assert.Equal("token_unknown", (await Assert.ThrowsAsync<MeshRefusedException>(agent.EndedAsync)).Code);
        agent.Start(options with { Token = null });
        Assert.Contains("mesh agent enrol", (await Assert.ThrowsAsync<MeshRefusedException>(agent.EndedAsync)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stranger_that_answers_HELLO_and_an_old_CHALLENGE_are_left()
    {
        await using AgentFixture agent = new();
        FakeLink link = await agent.ConnectedAsync();
        using Protocol.Signing.Ed25519PrivateKey stranger = Protocol.Signing.Ed25519PrivateKey.Generate();
        await link.SendAsync(stranger, agent.Mesh.Order(1, 1));
        await agent.LoggedAsync("the key is not known");

        link = await agent.Mesh.LinkAsync();
        await link.SendAsync(agent.Mesh.Order(2, 2));
        Assert.Equal("2", (await link.NextAsync<AcknowledgeMessage>()).Result);
        await link.SendRawAsync(link.LastFrame);
        await agent.LoggedAsync("the frame's number was seen");

        link = await agent.Mesh.LinkAsync();
        await link.SendAsync(agent.Mesh.Order(3, 3));
        await link.NextAsync<AcknowledgeMessage>();
        agent.Mesh.WrongEcho = true;
        link.Break();
        await agent.LoggedAsync("not for this HELLO");
        agent.Mesh.WrongEcho = false;
        _ = await agent.Mesh.LinkAsync();
        Assert.Equal(["2", "3"], agent.Got.Select(work => work.Payload));
    }

    [Fact]
    public async Task A_mesh_that_answers_no_heartbeat_is_left()
    {
        await using AgentFixture agent = new();
        agent.Mesh.HeartbeatMs = 100;
        _ = await agent.ConnectedAsync(); // nobody reads: heartbeats stay unanswered
        agent.Mesh.HeartbeatMs = 60_000;
        await agent.LoggedAsync("the mesh was silent");
        FakeLink link = await agent.Mesh.LinkAsync();
        await link.SendAsync(agent.Mesh.Order(1, 1));
        Assert.Equal(TrinaryState.Ready, (await link.NextAsync<AcknowledgeMessage>()).TrinaryState);
    }

    [Fact]
    public async Task The_key_is_rotated_when_its_time_is_near_and_the_new_one_signs_from_then_on()
    {
        await using AgentFixture agent = new();
        agent.Mesh.RotateBy = agent.Mesh.Now.PlusMs(3_600_000);
        FakeLink link = await agent.ConnectedAsync();
        RotateMessage rotate = await link.NextAsync<RotateMessage>();
        Assert.Null(Protocol.Signing.Ed25519PublicKey.TryParse(rotate.PublicKey, out Protocol.Signing.Ed25519PublicKey? next));
        Assert.True(File.Exists(Path.Combine(agent.Folder, "next.pem")), "the new key is saved before it is sent");
        Protocol.Signing.KeyId old = link.LastKey;
        agent.Mesh.AgentKeys.Add(next!);
        await link.SendAsync(new RotatedMessage { KeyId = next!.Id.Value, OldKeyValidUntil = agent.Mesh.Now, RotateBy = agent.Mesh.Now.PlusMs(1e10) });
        await agent.LoggedAsync("the key was rotated");
        await link.SendAsync(agent.Mesh.Order(1, 1));
        await link.NextAsync<AcknowledgeMessage>();
        Assert.NotEqual(old, link.LastKey);
        Assert.Equal(next.Id, link.LastKey);
    }

    /// <summary>The mesh took the new key, its answer was lost, and the old key ran out before the agent came back.</summary>
    [Fact]
    public async Task A_rotation_whose_answer_was_lost_ends_with_the_new_key()
    {
        await using AgentFixture agent = new();
        agent.Mesh.RotateBy = agent.Mesh.Now.PlusMs(3_600_000);
        FakeLink link = await agent.ConnectedAsync();
        _ = Protocol.Signing.Ed25519PublicKey.TryParse((await link.NextAsync<RotateMessage>()).PublicKey, out Protocol.Signing.Ed25519PublicKey? next);
        agent.Mesh.AgentKeys.Clear();
        agent.Mesh.AgentKeys.Add(next!);
        agent.Mesh.Refusals.Enqueue((new RefusedMessage { Code = "unknown_key", Message = "not valid now" }, true));
        link.Break();
        link = await agent.Mesh.LinkAsync();
        await link.SendAsync(agent.Mesh.Order(1, 1));
        await link.NextAsync<AcknowledgeMessage>();
        Assert.Equal(next!.Id, link.LastKey);
    }

    [Fact]
    public async Task The_mesh_s_next_key_is_trusted_from_when_the_old_one_brought_it()
    {
        await using AgentFixture agent = new();
        FakeLink link = await agent.ConnectedAsync();
        using Protocol.Signing.Ed25519PrivateKey next = Protocol.Signing.Ed25519PrivateKey.Generate();
        await link.SendAsync(new MeshKeyMessage { PublicKey = next.PublicKey.ToString() });
        await link.SendAsync(next, agent.Mesh.Order(1, 1));
        Assert.Equal("1", (await link.NextAsync<AcknowledgeMessage>()).Result);
    }

    [Fact]
    public async Task Many_answers_go_in_few_frames_and_a_frame_in_parts_is_read_whole()
    {
        await using AgentFixture agent = new();
        FakeLink link = await agent.ConnectedAsync(agent.Options with { Concurrency = 4, QueueMax = 1_000 });
        string text = string.Concat(Enumerable.Range(0, 20_000).Select(i => (char)('a' + (i % 26))));
        await link.SendAsync(agent.Mesh.Order(0, text));
        Assert.Equal($"\"{text}\"", (await link.NextAsync<AcknowledgeMessage>()).Result);
        HashSet<string> results = [];
        await link.SendAsync([.. Enumerable.Range(1, 200).Select(i => agent.Mesh.Order(i, i))]);
        for (int i = 0; i < 200; i++) results.Add((await link.NextAsync<AcknowledgeMessage>()).Result!);
        Assert.Equal(200, results.Count);
    }
}
