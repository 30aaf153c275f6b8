using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Tests.Ledger.Group;
using Mesh30K.Node.Tests.Ledger.Links;

namespace Mesh30K.Node.Tests.Ledger;

/// <summary>What a client tries again and what it does not, against servers that do what the test says.</summary>
public sealed class LedgerClientTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);
    private static readonly LedgerCommand Set = new LedgerCommand.SetKey("k", new byte[] { 1 }, null);
    private static readonly LedgerCommand Lease = new LedgerCommand.AcquireLease("l", "ana", TimeSpan.FromMinutes(1));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_hint_is_followed_and_remembered()
    {
        ScriptedServers servers = new((server, request, to) => server == 3 ? ScriptedServers.Ok(request, to) : ScriptedServers.Refuse(request, to, LedgerCertainty.NotTaken, leader: 3));
        await using LedgerClient client = servers.Client();
        for (int i = 0; i < 3; i++) Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(Set, Generous, Cancel)).Certainty);
        Assert.Equal([1, 3, 3, 3], servers.Heard.Select(h => h.Server));
    }

    [Fact]
    public async Task A_set_whose_reply_was_lost_is_unknown_and_never_asked_again()
    {
        ScriptedServers servers = new((_, _, _) => false); // the link breaks after the request
        await using LedgerClient client = servers.Client();
        LedgerAnswer answer = await client.AskAsync(Set, Generous, Cancel);
        Assert.Equal(LedgerCertainty.Unknown, answer.Certainty);
        Assert.NotEmpty(answer.Why);
        Assert.Single(servers.Heard);
    }

    [Fact]
    public async Task A_set_that_a_server_calls_unknown_is_never_asked_again()
    {
        ScriptedServers servers = new((_, request, to) => ScriptedServers.Refuse(request, to, LedgerCertainty.Unknown, leader: 2));
        await using LedgerClient client = servers.Client();
        Assert.Equal(LedgerCertainty.Unknown, (await client.AskAsync(Set, Generous, Cancel)).Certainty);
        Assert.Single(servers.Heard);
    }

    [Fact]
    public async Task A_set_that_surely_was_not_taken_is_asked_again()
    {
        int asked = 0;
        ScriptedServers servers = new((_, request, to) => Interlocked.Increment(ref asked) < 5 ? ScriptedServers.Refuse(request, to, LedgerCertainty.NotTaken) : ScriptedServers.Ok(request, to));
        servers.Down.Add(1);
        await using LedgerClient client = servers.Client();
        Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(Set, Generous, Cancel)).Certainty);
        Assert.Equal(5, servers.Heard.Count);
    }

    /// <summary>A try that has a millisecond left is not answered in time, and makes unknown what every server said it did not take.</summary>
    [Fact]
    public async Task Near_the_deadline_no_further_try_is_begun()
    {
        ScriptedServers servers = new((_, request, to) => ScriptedServers.Refuse(request, to, LedgerCertainty.NotTaken));
        await using LedgerClient client = servers.Client(new PausesPass());
        Assert.Equal(LedgerCertainty.NotTaken, (await client.AskAsync(Set, TimeSpan.FromSeconds(1), Cancel)).Certainty);
        Assert.InRange(servers.Heard.Count, 900 / 5, 900 * 2); // pauses of 0.5 to 5 ms, until 0.1 s is left
        Assert.All(servers.Heard, h => Assert.True(h.Request.Due.Ticks >= TimeSpan.FromMilliseconds(100).Ticks, $"a try was begun {h.Request.Due.Ticks / 10_000.0} ms before the deadline"));
    }

    [Fact]
    public async Task What_may_be_repeated_is_asked_elsewhere_when_the_link_broke_or_nobody_answers()
    {
        ScriptedServers servers = new((server, request, to) => server switch { 1 => false, 2 => true, _ => ScriptedServers.Ok(request, to) }); // 1 breaks, 2 is silent
        await using LedgerClient client = servers.Client();
        Assert.Equal(LedgerCertainty.Answered, (await client.AskAsync(Lease, Generous, Cancel)).Certainty);
        Assert.Equal([1, 2, 3], servers.Heard.Select(h => h.Server));
    }

    [Fact]
    public async Task What_was_unknown_once_is_not_called_not_taken_later()
    {
        int asked = 0;
        ScriptedServers servers = new((_, request, to) => ScriptedServers.Refuse(request, to, Interlocked.Increment(ref asked) == 1 ? LedgerCertainty.Unknown : LedgerCertainty.NotTaken));
        await using LedgerClient client = servers.Client(new PausesPass());
        Assert.Equal(LedgerCertainty.Unknown, (await client.AskAsync(Lease, TimeSpan.FromMilliseconds(300), Cancel)).Certainty);
        Assert.True(servers.Heard.Count > 1);
    }

    [Fact]
    public async Task A_server_that_is_silent_is_passed_by_by_those_who_come_after()
    {
        ScriptedServers servers = new((server, request, to) => server == 1 || ScriptedServers.Ok(request, to));
        await using LedgerClient client = servers.Client();
        Task<LedgerAnswer> first = client.AskAsync(Set, TimeSpan.FromSeconds(3), Cancel);
        await HostGroup.UntilAsync(async () => (await client.AskAsync(Set, TimeSpan.FromSeconds(1), Cancel)).Certainty == LedgerCertainty.Answered, "an answer of another server");
        Assert.Equal(LedgerCertainty.Unknown, (await first).Certainty);
    }

    [Fact]
    public async Task A_command_that_can_never_be_taken_is_not_sent()
    {
        ScriptedServers servers = new((_, request, to) => ScriptedServers.Ok(request, to));
        await using LedgerClient client = servers.Client();
        LedgerAnswer answer = await client.AskAsync(new LedgerCommand.SetKey("", new byte[] { 1 }, null), Generous, Cancel);
        Assert.Equal((LedgerCertainty.Answered, LedgerOutcome.Invalid), (answer.Certainty, answer.Reply!.Outcome));
        Assert.Empty(servers.Heard);
    }

    [Fact]
    public async Task Callers_share_one_connection_and_many_requests_one_message()
    {
        int connections = 0;
        ScriptedServers servers = new((_, request, to) => ScriptedServers.Ok(request, to));
        await using LedgerClient client = new(ScriptedServers.Group, new Counting(servers, () => Interlocked.Increment(ref connections)), ScriptedServers.Options);
        LedgerAnswer[] answers = await Task.WhenAll(Enumerable.Range(0, 1_000).Select(_ => client.AskAsync(Set, Generous, Cancel)));
        Assert.All(answers, a => Assert.Equal(LedgerCertainty.Answered, a.Certainty));
        Assert.Equal(1, connections);
        Assert.Equal(1_000, servers.Heard.Count);
    }

    [Fact]
    public async Task Who_cancels_hears_of_that()
    {
        ScriptedServers servers = new((_, _, _) => true);
        await using LedgerClient client = servers.Client();
        using CancellationTokenSource mine = new();
        Task<LedgerAnswer> asking = client.AskAsync(Set, Generous, mine.Token);
        await HostGroup.UntilAsync(() => Task.FromResult(servers.Heard.Count == 1), "the request is there");
        await mine.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    private sealed class Counting(ScriptedServers servers, Action dialled) : Node.Ledger.Links.ILinkDialer
    {
        public Task<System.Net.WebSockets.WebSocket> DialAsync(GroupServer to, TimeSpan atMost, TimeSpan keepAlive, CancellationToken cancel)
        {
            dialled();
            return servers.DialAsync(to, atMost, keepAlive, cancel);
        }
    }

    /// <summary>A clock that stands, but for pauses between tries: these are over at once, and it is later by them. So a deadline passes by what the client does, however slow the machine is.</summary>
    private sealed class PausesPass : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime > ScriptedServers.Options.PauseMax) return base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, period);
            Interlocked.Add(ref _ticks, dueTime.Ticks);
            return base.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
