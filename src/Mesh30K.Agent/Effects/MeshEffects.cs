using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mesh30K.Agent.Timing;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Effects;

/// <summary>
/// Effects outside the mesh that run once per key, recorded in a node's ledger over its HTTP API. Thread-safe; one for a process is enough.
/// </summary>
/// <remarks>
/// What is promised: an effect whose receiver honours the key takes effect exactly once, if it is called until it has a result. Any other takes effect at most once unless a person says that it
/// did not: a crash in the middle leaves it in doubt. Source: the spec of layered consistency, section 4, layer 3; docs/guide/effects.md.
/// </remarks>
public sealed class MeshEffects : IDisposable
{
    private const string TooLate = "the node answered too late for the lease";

    private static readonly TimeSpan RenewAgainAfter = TimeSpan.FromSeconds(1);

    private readonly MeshEffectsOptions _options;
    private readonly NodeClient _node;

    /// <summary>Throws <see cref="ArgumentException"/> for options out of range; nothing else happens yet.</summary>
    public MeshEffects(MeshEffectsOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _node = new NodeClient(options);
    }

    /// <summary>
    /// Runs the effect if its key is new, and gives its output; else gives what was recorded. Throws <see cref="MeshEffectException"/> when there is no result, and
    /// <see cref="OperationCanceledException"/> when cancelled before the effect was executed; afterwards the effect decides, and what it says is recorded.
    /// </summary>
    /// <param name="key">One line of 1 to 256 characters.</param>
    /// <param name="request">What is to be done, as bytes: the same key with other ones is refused. Only their SHA-256 goes to the node.</param>
    /// <param name="effect">
    /// Does it, and gives the output that is kept, at most 64 KiB. Throws <see cref="EffectDidNotRunException"/> when it surely did not take place; anything else that it throws means that it may have.
    /// </param>
    /// <param name="honoursKey">Whether the receiver drops a second one with the same key: then what is not known may be run again.</param>
    public async Task<EffectRecord> RunOnceAsync(
        string key, ReadOnlyMemory<byte> request, Func<EffectExecution, CancellationToken, Task<byte[]>> effect, bool honoursKey = false, CancellationToken cancel = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(key);
        ArgumentNullException.ThrowIfNull(effect);
        string executor = FormattableString.Invariant($"{Environment.ProcessId}/{Guid.NewGuid():N}"); // of its own: the same one would be given the same epoch
        string principal = await PrincipalAsync(cancel).ConfigureAwait(false);
        StartBody start = new(principal, key, PayloadHash.Of(request.Span).ToString(), executor, honoursKey, _options.Retention.TotalSeconds, _options.Lease.TotalSeconds);
        long from = Stopwatch.GetTimestamp();
        for (int failures = 0; ; failures++)
        {
            long asked = Stopwatch.GetTimestamp();
            ReplyBody reply = await StartAsync(start, cancel).ConfigureAwait(false);
            if (reply.Outcome == "recorded" && IsOverUnheard(reply.Effect!, executor)) throw await NotRunAsync(reply.Effect!, honoursKey, TooLate).ConfigureAwait(false);
            if (reply.Outcome == "recorded") return Recorded(reply.Effect!);
            if (reply.Outcome == "ok") return await ExecuteAsync(reply.Effect!, effect, honoursKey, asked, cancel).ConfigureAwait(false);
            if (Stopwatch.GetElapsedTime(from) > _options.WaitForOther) throw new MeshEffectException(EffectProblem.Held, $"{reply.Effect?.Executor} executes {key}");
            await Task.Delay(SessionPauses.Backoff.Pause(failures, Random.Shared), cancel).ConfigureAwait(false);
        }
    }

    public void Dispose() => _node.Dispose();

    /// <summary>Taken, its answer lost, and the lease over: in doubt for all but this caller, who knows that it never began.</summary>
    private static bool IsOverUnheard(EffectBody effect, string executor) => effect.Status == "in_doubt" && effect.Executor == executor;

    /// <summary>Asks for the effect. Cancelled meanwhile, the start may have been taken: then it is given back, so that no doubt is left about what never began.</summary>
    private async Task<ReplyBody> StartAsync(StartBody start, CancellationToken cancel)
    {
        try
        {
            return await AskAsync("start", start, EffectJson.Default.StartBody, EffectProblem.Unavailable, cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            await GiveBackAsync(start).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Asks again under the same name, which is given the same epoch. If that cannot be said soon, the doubt begins when the lease ends.</summary>
    private async Task GiveBackAsync(StartBody start)
    {
        using CancellationTokenSource within = new(_options.GiveBackWithin);
        try
        {
            ReplyBody reply = await AskAsync("start", start, EffectJson.Default.StartBody, EffectProblem.Unavailable, within.Token).ConfigureAwait(false);
            if (reply.Outcome == "ok" || IsOverUnheard(reply.Effect!, start.Executor)) await FinishAsync(reply.Effect!, "not_run", [], within.Token).ConfigureAwait(false);
        }
        catch (Exception left) when (left is MeshEffectException or OperationCanceledException)
        {
            // The node was not to be reached, or refused it: then nothing was taken, or the lease ends it.
        }
    }

    private async Task<EffectRecord> ExecuteAsync(EffectBody started, Func<EffectExecution, CancellationToken, Task<byte[]>> effect, bool honoursKey, long asked, CancellationToken cancel)
    {
        bool isLate = Stopwatch.GetElapsedTime(asked) > _options.Lease / 2; // the lease counts from when it was asked for
        if (isLate || cancel.IsCancellationRequested)
        {
            MeshEffectException notRun = await NotRunAsync(started, honoursKey, TooLate).ConfigureAwait(false);
            cancel.ThrowIfCancellationRequested();
            throw notRun;
        }
        using CancellationTokenSource ended = new();
        Task renewing = RenewAsync(started, ended.Token);
        byte[]? output = null;
        EffectDidNotRunException? didNotRun = null;
        Exception? unknown = null;
        try
        {
            output = await effect(new EffectExecution(started.Key, started.Epoch), cancel).ConfigureAwait(false);
        }
        catch (EffectDidNotRunException known)
        {
            didNotRun = known;
        }
        catch (Exception thrown)
        {
            unknown = thrown;
        }
        await ended.CancelAsync().ConfigureAwait(false);
        await renewing.ConfigureAwait(false);
        if (unknown is not null) await YieldAsync(started).ConfigureAwait(false);
        if (unknown is not null) throw new MeshEffectException(honoursKey ? EffectProblem.RunAgain : EffectProblem.InDoubt, $"{started.Key} may have taken place: {unknown.Message}", unknown);
        if (didNotRun is { IsFinal: false }) throw await NotRunAsync(started, honoursKey, didNotRun.Message, didNotRun).ConfigureAwait(false);
        EffectBody after = didNotRun is null
            ? await FinishAsync(started, "done", output!, CancellationToken.None).ConfigureAwait(false)
            : await FinishAsync(started, "failed", Encoding.UTF8.GetBytes(didNotRun.Message), CancellationToken.None).ConfigureAwait(false);
        return Recorded(after) with { IsReplay = false };
    }

    /// <summary>Says to the node that it did not run, and what that is to the caller: also when the node takes no report any more, but not that an earlier start did not run either.</summary>
    /// <param name="thrown">What the effect threw; null when it was not executed.</param>
    private async Task<MeshEffectException> NotRunAsync(EffectBody started, bool honoursKey, string why, EffectDidNotRunException? thrown = null)
    {
        FinishBody body = new(started.Principal, started.Key, started.Epoch, "not_run", []);
        try
        {
            _ = await AskAsync("finish", body, EffectJson.Default.FinishBody, EffectProblem.Unavailable, CancellationToken.None).ConfigureAwait(false);
        }
        catch (MeshEffectException away) when (away.Problem == EffectProblem.Unavailable)
        {
            return thrown is null ? away : new MeshEffectException(EffectProblem.Unrecorded, away.Message, thrown);
        }
        catch (MeshEffectException)
        {
            // Another one has come after, or somebody has decided: here it did not run all the same.
        }
        return new MeshEffectException(honoursKey && started.Attempts > 1 ? EffectProblem.RunAgain : EffectProblem.NotRun, why, thrown);
    }

    /// <summary>The doubt begins now, not when the lease ends. If that cannot be said, it begins then.</summary>
    private async Task YieldAsync(EffectBody started)
    {
        const double leastS = 0.001;
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(new RenewBody(started.Principal, started.Key, started.Epoch, leastS), EffectJson.Default.RenewBody);
        try
        {
            _ = await TryAsync("renew", json, EffectProblem.Unavailable, CancellationToken.None).ConfigureAwait(false);
        }
        catch (MeshEffectException)
        {
            // Another one has come after, or somebody has decided: there is nothing to say any more.
        }
    }

    /// <summary>
    /// Renews until it is told to end, or the node says that the lease is over or another one has come after: then what is under way is reported all the same, and the ledger decides. A node that was not to be reached is
    /// asked again: the lease may be longer than it was away.
    /// </summary>
    private async Task RenewAsync(EffectBody started, CancellationToken ended)
    {
        RenewBody body = new(started.Principal, started.Key, started.Epoch, _options.Lease.TotalSeconds);
        TimeSpan third = _options.Lease / 3, pause = third;
        while (true)
        {
            try
            {
                await Task.Delay(pause, ended).ConfigureAwait(false);
                _ = await AskAsync("renew", body, EffectJson.Default.RenewBody, EffectProblem.Unavailable, ended).ConfigureAwait(false);
                pause = third;
            }
            catch (MeshEffectException away) when (away.Problem == EffectProblem.Unavailable)
            {
                pause = third < RenewAgainAfter ? third : RenewAgainAfter;
            }
            catch (Exception over) when (over is OperationCanceledException or MeshEffectException)
            {
                return; // It has ended, or the lease cannot be held.
            }
        }
    }

    private async Task<EffectBody> FinishAsync(EffectBody started, string report, byte[] output, CancellationToken cancel)
    {
        FinishBody body = new(started.Principal, started.Key, started.Epoch, report, output);
        return (await AskAsync("finish", body, EffectJson.Default.FinishBody, EffectProblem.Unrecorded, cancel).ConfigureAwait(false)).Effect!;
    }

    private static EffectRecord Recorded(EffectBody effect) => effect.Status switch
    {
        "done" => new EffectRecord(effect.Output ?? [], IsReplay: true),
        "failed" => throw new MeshEffectException(EffectProblem.Failed, Encoding.UTF8.GetString(effect.Output ?? [])),
        "abandoned" => throw new MeshEffectException(EffectProblem.Abandoned, $"{effect.ResolvedBy} gave {effect.Key} up: {effect.Note}"),
        _ => throw new MeshEffectException(EffectProblem.InDoubt, $"{effect.Executor} started {effect.Key} under the epoch {effect.Epoch} and did not report: it may have taken place"),
    };

    /// <summary>Sends a command until it is answered, with growing pauses: each may be repeated. A refusal of what was executed means that the record is another's.</summary>
    private async Task<ReplyBody> AskAsync<T>(string verb, T body, JsonTypeInfo<T> type, EffectProblem whenUnreached, CancellationToken cancel)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(body, type);
        SessionPauses pauses = new(Random.Shared);
        long from = Stopwatch.GetTimestamp();
        while (true)
        {
            (ReplyBody? reply, string why, TimeSpan? after) = await TryAsync(verb, json, whenUnreached, cancel).ConfigureAwait(false);
            if (reply is not null) return reply;
            TimeSpan left = _options.NodeWithin - Stopwatch.GetElapsedTime(from), pause = pauses.Next(after);
            if (left <= TimeSpan.Zero) throw new MeshEffectException(whenUnreached, $"the node {_options.Node} was not to be reached: {why}");
            await Task.Delay(pause < left ? pause : left, cancel).ConfigureAwait(false);
        }
    }

    private async Task<(ReplyBody? Reply, string Why, TimeSpan? After)> TryAsync(string verb, byte[] json, EffectProblem whenUnreached, CancellationToken cancel)
    {
        try
        {
            NodeAnswer answer = await _node.SendAsync(HttpMethod.Post, $"/v1/effects/{verb}", json, cancel).ConfigureAwait(false);
            if (answer.IsSuccess) return (JsonSerializer.Deserialize(answer.Body, EffectJson.Default.ReplyBody), "", null);
            ProblemBody? problem = ProblemOf(answer.Body);
            string detail = problem?.Detail ?? problem?.Title ?? $"the node answered {answer.Status}";
            // A ledger that is full stays so until somebody makes room. A signature that came too late, or twice over a broken connection, is made anew.
            bool isBusy = answer.Status is 429 or >= 500 && problem?.Code != "full";
            if (isBusy || problem?.Code is "replayed" or "signature_expired") return (null, detail, answer.RetryAfter);
            throw new MeshEffectException(whenUnreached == EffectProblem.Unrecorded ? EffectProblem.Unrecorded : EffectProblem.Refused, detail);
        }
        catch (Exception failed) when (failed is HttpRequestException or JsonException || (failed is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            return (null, failed.Message, null);
        }
        catch (MeshAgentEndedException ended)
        {
            throw new MeshEffectException(whenUnreached, ended.Message, ended);
        }
    }

    private static ProblemBody? ProblemOf(byte[] answer)
    {
        try
        {
            return JsonSerializer.Deserialize(answer, EffectJson.Default.ProblemBody);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>In whose name. An agent is known when it is enrolled.</summary>
    private async Task<string> PrincipalAsync(CancellationToken cancel)
    {
        if (_options.Agent is not { } agent) return _options.Principal ?? MeshEffectsOptions.PrincipalOfOperators;
        try
        {
            return AgentRequest.PrincipalOf(await agent.Known.WaitAsync(_options.NodeWithin, cancel).ConfigureAwait(false));
        }
        catch (TimeoutException late)
        {
            throw new MeshEffectException(EffectProblem.Unavailable, $"the agent was not enrolled within {_options.NodeWithin}: its effects need its RunAsync", late);
        }
        catch (OperationCanceledException ended) when (!cancel.IsCancellationRequested)
        {
            throw new MeshEffectException(EffectProblem.Unavailable, "the agent has ended, and nobody can sign for it", ended);
        }
    }
}
