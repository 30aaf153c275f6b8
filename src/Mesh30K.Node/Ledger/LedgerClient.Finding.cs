using System.Net.WebSockets;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Ledger.Links;
using Mesh30K.Protocol.Timing;

namespace Mesh30K.Node.Ledger;

public sealed partial class LedgerClient
{
    /// <summary>A hint is followed at once so many times in a row; then there is a pause, since servers may name each other in a circle.</summary>
    private const int HintsMax = 3;

    /// <summary>No further try is begun when less than this, or a tenth of the deadline, is left: it would only make unknown what is surely not taken.</summary>
    private static readonly TimeSpan TryAtLeast = TimeSpan.FromMilliseconds(100);

    /// <summary>Asks whoever leads, until there is an answer, the deadline has passed, or the request is unknown and may not be repeated.</summary>
    private async Task<ClientAnswer> AskLeaderAsync<T>(Ask<T> ask, TimeSpan deadline, CancellationToken cancel)
    {
        long from = _options.Clock.GetTimestamp();
        Backoff pauses = new(_options.PauseMin, _options.PauseMax);
        TimeSpan least = deadline / 10 < TryAtLeast ? deadline / 10 : TryAtLeast;
        int failures = 0;
        LedgerRefusal last = new(LedgerCertainty.NotTaken, "the deadline passed before any server was asked", Retry: true);
        bool unknown = false;
        int hints = 0;
        for (TimeSpan left = deadline; left > least; left = deadline - _options.Clock.GetElapsedTime(from))
        {
            int target = _target;
            ClientAnswer answer = await TryAsync(ask, target, left, cancel).ConfigureAwait(false);
            if (answer.Refusal is not { } refusal) return answer;
            last = refusal;
            unknown |= refusal.Certainty == LedgerCertainty.Unknown;
            if (!refusal.Retry || (unknown && !ask.MayRepeat)) break;
            if (Follow(target, refusal) && ++hints <= HintsMax) continue;
            hints = 0;
            left = deadline - _options.Clock.GetElapsedTime(from);
            TimeSpan wait = pauses.Pause(failures++, Random.Shared);
            if (left > least) await Task.Delay(wait < left - least ? wait : left - least, _options.Clock, cancel).ConfigureAwait(false);
        }
        return new ClientAnswer(Refusal: last with { Certainty = unknown ? LedgerCertainty.Unknown : LedgerCertainty.NotTaken });
    }

    private async Task<ClientAnswer> TryAsync<T>(Ask<T> ask, int server, TimeSpan left, CancellationToken cancel)
    {
        long from = _options.Clock.GetTimestamp();
        ClientLink link;
        try
        {
            link = await LinkAsync(server, left, cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (IsNoLink(error) && !cancel.IsCancellationRequested)
        {
            string why = error is LinkFormatException ? error.Message : $"server {server} is not reachable: {error.GetBaseException().Message}";
            return new ClientAnswer(Refusal: new LedgerRefusal(LedgerCertainty.NotTaken, why, Retry: true));
        }
        if (link.IsSilentFor(_options.AnswerAtMost)) return new ClientAnswer(Refusal: new LedgerRefusal(LedgerCertainty.NotTaken, $"server {server} does not answer", Retry: true));
        left -= _options.Clock.GetElapsedTime(from);
        TimeSpan atMost = ask.MayRepeat && _options.AnswerAtMost < left ? _options.AnswerAtMost : left;
        return await link.AskAsync(ask.Asked, ask.Write, atMost, cancel).ConfigureAwait(false);
    }

    /// <summary>Chooses whom to ask next, unless another caller has chosen already; true when somebody was named.</summary>
    private bool Follow(int asked, LedgerRefusal refusal)
    {
        lock (_gate)
        {
            int leader = refusal.Leader.Number;
            if (refusal.Address is { } address && leader > 0) _servers[leader] = new GroupServer(leader, address.Host, address.Port);
            if (leader > 0 && leader != asked && _servers.ContainsKey(leader))
            {
                _target = leader;
                return true;
            }
            if (_target == asked && leader != asked) _target = _servers.Keys.FirstOrDefault(n => n > asked, _servers.Keys.First());
            return false;
        }
    }

    /// <summary>The connection to a server; one is made when there is none, and all who need it wait for the same.</summary>
    private async Task<ClientLink> LinkAsync(int server, TimeSpan atMost, CancellationToken cancel)
    {
        Task<ClientLink>? link;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, this);
            bool usable = _links.TryGetValue(server, out link) && !link.IsFaulted && !link.IsCanceled && !(link.IsCompleted && link.Result.IsBroken);
            if (!usable)
            {
                if (!_servers.TryGetValue(server, out GroupServer? at)) throw new IOException($"no server {server} is known in the group {Group.Id}");
                link = _links[server] = DialAsync(at);
            }
        }
        if (link!.IsCompletedSuccessfully) return link.Result;
        try
        {
            return await link.WaitAsync(atMost, _options.Clock, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException slow)
        {
            throw new IOException($"server {server} did not take a connection within {atMost.TotalSeconds:0.###} s", slow);
        }
    }

    private async Task<ClientLink> DialAsync(GroupServer server)
    {
        await Task.Yield(); // not under the lock
        WebSocket socket = await _dialer.DialAsync(server, _options.ConnectAtMost, _options.KeepAlive, _stop.Token).ConfigureAwait(false);
        return new ClientLink(server, socket, _options.Clock);
    }

    /// <param name="MayRepeat">Whether it may be asked again when it is unknown whether it was done.</param>
    private sealed record Ask<T>(T Asked, bool MayRepeat, Action<(long Id, int DueMs, T Asked), LinkBuffer> Write);
}
