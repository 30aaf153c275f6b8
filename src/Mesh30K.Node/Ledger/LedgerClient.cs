using System.Net.WebSockets;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Ledger.Links;

namespace Mesh30K.Node.Ledger;

/// <summary>How a client of a group asks.</summary>
public sealed record LedgerClientOptions
{
    /// <summary>How long one server has to take a connection. Default 2 s.</summary>
    public TimeSpan ConnectAtMost { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long one server has to answer before another is asked, when the request may be repeated. Default 2 s; a <see cref="LedgerCommand.SetKey"/> waits until its deadline. Less: more needless
    /// repetitions.
    /// </summary>
    public TimeSpan AnswerAtMost { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How often an idle connection is tried; one that does not answer within as much again is broken. Default 5 s.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The pause after the first try of all that failed; it doubles up to <see cref="PauseMax"/> and is jittered. Default 10 ms and 500 ms.</summary>
    public TimeSpan PauseMin { get; init; } = TimeSpan.FromMilliseconds(10);

    public TimeSpan PauseMax { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Deadlines and pauses are of its monotonic clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// A group of coordinators as its clients see it: finds the leader, follows hints, tries again within the deadline what is safe to try again. All callers share one connection to the leader, on which
/// requests go side by side. Thread-safe.
/// </summary>
/// <remarks>
/// A request that was sent and not answered is unknown. Commands that may be repeated are asked again, and their answer counts. A <see cref="LedgerCommand.SetKey"/> is asked again only when the
/// server said that it was surely not taken, or when it was never sent.
/// </remarks>
public sealed partial class LedgerClient : ILedger
{
    private readonly GroupIdentity? _identity;
    private readonly LedgerClientOptions _options;
    private readonly ILinkDialer _dialer;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, GroupServer> _servers = [];
    private readonly Dictionary<int, Task<ClientLink>> _links = [];
    private readonly CancellationTokenSource _stop = new();
    private volatile int _target;

    private LedgerClient(GroupIdentity identity, LedgerClientOptions options)
        : this(identity.Group, new LinkDialer(identity), options) => _identity = identity;

    internal LedgerClient(GroupFile group, ILinkDialer dialer, LedgerClientOptions options)
    {
        (Group, _dialer, _options) = (group, dialer, options);
        foreach (GroupServer server in group.Servers) _servers[server.Number] = server;
        _target = _servers.Keys.First();
    }

    /// <summary>The group's file.</summary>
    public GroupFile Group { get; }

    /// <summary>A client with the pair of a group's folder. Connects when it is first asked. Throws <see cref="GroupFolderException"/>.</summary>
    public static LedgerClient Open(string folder, LedgerClientOptions? options = null) => new(GroupFolder.Open(folder, GroupRole.Client), options ?? new LedgerClientOptions());

    public async Task<LedgerAnswer> AskAsync(LedgerCommand command, TimeSpan deadline, CancellationToken cancel = default)
    {
        if (LedgerMachine.Refuse(command) is { } refusal) return new LedgerAnswer(LedgerCertainty.Answered, refusal);
        Ask<LedgerCommand> ask = new(command, command is not LedgerCommand.SetKey, static (a, to) => ClientFrames.Ask(a.Id, a.DueMs, a.Asked, to));
        ClientAnswer answer = await AskLeaderAsync(ask, deadline, cancel).ConfigureAwait(false);
        return answer.Reply is { } reply
            ? new LedgerAnswer(LedgerCertainty.Answered, reply)
            : new LedgerAnswer(answer.Refusal?.Certainty ?? LedgerCertainty.Unknown, null, answer.Refusal?.Why ?? "the server answered something else");
    }

    public async Task<LedgerPage<LedgerEntry>> ReadAsync(LedgerQuery query, TimeSpan deadline, CancellationToken cancel = default)
    {
        if (query is LedgerQuery.List { Limit: < 1 or > LedgerLimits.PageMax } list) throw new ArgumentException($"a limit of {list.Limit}; from 1 to {LedgerLimits.PageMax}", nameof(query));
        Ask<LedgerQuery> ask = new(query, true, static (a, to) => ClientFrames.Read(a.Id, a.DueMs, a.Asked, to));
        ClientAnswer answer = await AskLeaderAsync(ask, deadline, cancel).ConfigureAwait(false);
        return answer.Page ?? throw new LedgerUnavailableException(answer.Refusal?.Why ?? "the server answered something else");
    }

    /// <summary>A server that was added to the group is at that place.</summary>
    public void Know(GroupServer server)
    {
        ArgumentNullException.ThrowIfNull(server);
        lock (_gate) _servers[server.Number] = server;
    }

    /// <summary>How one server is. Throws <see cref="LedgerUnavailableException"/> when it does not say so in time.</summary>
    public async Task<CoordinatorStatus> StatusAsync(int server, TimeSpan deadline, CancellationToken cancel = default)
    {
        ClientAnswer answer = await AskOneAsync(server, 0, static (a, to) => ClientFrames.Status(a.Id, a.DueMs, to), deadline, cancel).ConfigureAwait(false);
        return answer.Status ?? throw new LedgerUnavailableException(answer.Refusal?.Why ?? "the server answered something else");
    }

    /// <summary>Has one server make a snapshot now. Null when it is made, else why not.</summary>
    public async Task<string?> SnapshotAsync(int server, TimeSpan deadline, CancellationToken cancel = default) =>
        WhyNot(await AskOneAsync(server, 0, static (a, to) => ClientFrames.Snapshot(a.Id, a.DueMs, to), deadline, cancel).ConfigureAwait(false));

    /// <summary>Has the leader hand over to a voter, or to any with 0. Null when it has begun to, else why not.</summary>
    public async Task<string?> TransferAsync(int to, TimeSpan deadline, CancellationToken cancel = default)
    {
        Ask<ServerId> ask = new(new ServerId(to), true, static (a, buffer) => ClientFrames.Transfer(a.Id, a.DueMs, a.Asked, buffer));
        return WhyNot(await AskLeaderAsync(ask, deadline, cancel).ConfigureAwait(false));
    }

    /// <summary>
    /// Asks for a step of the membership; <paramref name="address"/> of a server that is added. Null when it is committed, else why not. Not tried again when its answer was lost: look at the members.
    /// Throws <see cref="ArgumentException"/> for a host that is neither a name nor an address.
    /// </summary>
    public async Task<string?> ChangeAsync(MemberStep step, int server, GroupServer? address, TimeSpan deadline, CancellationToken cancel = default)
    {
        if (address is not null && !ServerAddress.IsHost(address.Host)) throw new ArgumentException($"'{address.Host}' is no host's name or address", nameof(address));
        (MemberStep, ServerId, ServerAddress?) change = (step, new ServerId(server), address is null ? null : new ServerAddress(address.Host, address.Port));
        Ask<(MemberStep Step, ServerId Server, ServerAddress? Address)> ask = new(
            change, false, static (a, to) => ClientFrames.Change(a.Id, a.DueMs, a.Asked.Step, a.Asked.Server, a.Asked.Address, to));
        return WhyNot(await AskLeaderAsync(ask, deadline, cancel).ConfigureAwait(false));
    }

    public async ValueTask DisposeAsync()
    {
        Task<ClientLink>[] links;
        lock (_gate) links = [.. _links.Values];
        await _stop.CancelAsync().ConfigureAwait(false);
        foreach (Task<ClientLink> link in links)
        {
            try
            {
                await (await link.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception never) when (IsNoLink(never))
            {
                // it never came about
            }
        }
        _stop.Dispose();
        _identity?.Dispose();
    }

    private static string? WhyNot(ClientAnswer answer) => answer.IsDone ? null : answer.Refusal?.Why ?? "the server answered something else";

    private static bool IsNoLink(Exception error) => error is LinkFormatException or WebSocketException or IOException or HttpRequestException or OperationCanceledException;

    private async Task<ClientAnswer> AskOneAsync(int server, int asked, Action<(long Id, int DueMs, int Asked), LinkBuffer> write, TimeSpan deadline, CancellationToken cancel)
    {
        long from = _options.Clock.GetTimestamp();
        try
        {
            ClientLink link = await LinkAsync(server, deadline, cancel).ConfigureAwait(false);
            return await link.AskAsync(asked, write, deadline - _options.Clock.GetElapsedTime(from), cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (IsNoLink(error) && !cancel.IsCancellationRequested)
        {
            return new ClientAnswer(Refusal: new LedgerRefusal(LedgerCertainty.NotTaken, error.GetBaseException().Message, Retry: true));
        }
    }
}
