using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Simulation.Strong.Effects;

/// <summary>What one seed found.</summary>
/// <param name="Events">Steps of the simulation.</param>
/// <param name="Faults">How often each kind of fault happened.</param>
/// <param name="AppliedAgain">Effects whose receiver does not honour keys that were applied more than once, after they had been reported in doubt.</param>
/// <param name="Replays">How often a caller was given what was recorded before.</param>
/// <param name="Violations">What does not hold.</param>
/// <param name="HasEnded">Whether every effect came to an end after the faults had stopped.</param>
/// <param name="TraceHash">Of all that happened: the same seed gives the same.</param>
public sealed record EffectLifeReport(
    long Events, IReadOnlyDictionary<string, long> Faults, int AppliedAgain, int Replays, IReadOnlyList<string> Violations, bool HasEnded, ulong TraceHash);

/// <summary>
/// The life of effects under faults, from one seed: executors that crash, pause beyond their leases and lose answers at every point; a ledger on a journal that crashes; requests
/// that arrive late or never; clocks that lag or run at another pace; callers that come with another request under a known key; a person who decides on what is in doubt by what there
/// is to see, and may be wrong, since a request can still arrive. The executors' decisions are the production code's: <see cref="EffectRun"/>.
/// </summary>
/// <remarks>
/// Checked: an effect whose receiver honours its key is applied exactly once, and its first answer is what the ledger replays. One whose receiver does not is applied again only
/// after the ledger reported it in doubt and a person said that it was not done, and what is recorded is the last executor's own answer. Whoever was told that it is done was told what the ledger holds, and all were told the
/// same. Nobody is answered with another request's result. A lease is renewed by its holder only. The ledger comes back from each crash with the state that it had. When faults stop, all effects end.
/// </remarks>
public sealed class EffectLife : IEffectWorld
{
    /// <summary>Effects of one seed: half of them with a receiver that honours keys.</summary>
    public const int EffectCount = 6;

    private const int HealAfter = 1_500;
    private const int EventsMax = 20_000;
    private const string Principal = EffectExecutor.Principal;
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(40);
    private static readonly PayloadHash OtherRequest = PayloadHash.Of("another request"u8);
    private static readonly EffectRequest[] Requests = [.. Enumerable.Range(0, EffectCount).Select(RequestOf)];

    private readonly SimulatedFaults _faults;
    private readonly JournaledLedger _ledger;
    private readonly EffectSink _honouring;
    private readonly EffectSink _other = new(honoursKeys: false);
    private readonly EffectExecutor[] _executors;
    private readonly List<(string Key, string Executor)> _flying = [];
    private readonly HashSet<string> _arrived = [];
    private readonly HashSet<string> _reported = [];

    /// <summary>How often a person said that it was not done.</summary>
    private readonly Dictionary<string, int> _released = [];
    private readonly Dictionary<string, string> _told = [];
    private readonly List<string> _violations = [];
    private int _replays;
    private Instant _now = new(10_000_000_000);
    private ulong _trace = 14_695_981_039_346_656_037;

    private EffectLife(ulong seed, bool sinkLies)
    {
        _faults = new SimulatedFaults(seed);
        _ledger = new JournaledLedger(_faults);
        _honouring = new EffectSink(honoursKeys: !sinkLies);
        _executors = [.. Enumerable.Range(0, 3).Select(i => new EffectExecutor(i, this))];
    }

    SimulatedFaults IEffectWorld.Faults => _faults;

    Instant IEffectWorld.Now => _now;

    /// <summary>Runs one seed.</summary>
    /// <param name="sinkLies">Whether the receiver that says so does not honour keys: the check has to find that.</param>
    public static EffectLifeReport Run(ulong seed, bool sinkLies = false) => new EffectLife(seed, sinkLies).Run();

    LedgerReply? IEffectWorld.Ask(LedgerCommand command) => Ask(command);

    LedgerEffect? IEffectWorld.Find(string key) => _ledger.Machine.FindEffect(Principal, key);

    void IEffectWorld.Send(string key, string executor) => _flying.Add((key, executor));

    bool IEffectWorld.HasArrived(string executor) => _arrived.Contains(executor);

    void IEffectWorld.Violated(string what) => _violations.Add(what);

    void IEffectWorld.Told(EffectRequest request, string executor, EffectResult result)
    {
        Trace(result.Ending.ToString());
        if (result.IsReplay) _replays++;
        if (request.Request == OtherRequest)
        {
            if (result.Ending is not (EffectEnding.Refused or EffectEnding.Unavailable)) _violations.Add($"another request under the key {request.Key} was answered: {result.Ending}");
            return;
        }
        bool hasArrived = _arrived.Contains(executor) || (request.HonoursKey && SinkOf(request.Key).Applied(request.Key) > 0);
        if (result.Ending == EffectEnding.NotRun && hasArrived) _violations.Add($"{executor} was told that {request.Key} did not run, and it had arrived");
        if (result.Ending != EffectEnding.Done) return;
        string output = Encoding.UTF8.GetString(result.Output.Span);
        if (_ledger.Machine.FindEffect(Principal, request.Key) is not { Status: EffectStatus.Done } held || Encoding.UTF8.GetString(held.Output.Span) != output)
            _violations.Add($"{executor} was told that {request.Key} is done with \"{output}\", and the ledger does not have that");
        if (!_told.TryAdd(request.Key, output) && _told[request.Key] != output) _violations.Add($"{request.Key} was answered with \"{_told[request.Key]}\", and later with \"{output}\"");
    }

    private EffectLifeReport Run()
    {
        int events = 0;
        for (; events < EventsMax && !HasEnded(); events++)
        {
            if (events == HealAfter) _faults.Heal();
            _now += TimeSpan.FromMilliseconds(_faults.Random.Next(2_000));
            int actor = _faults.Random.Next(_executors.Length + 2);
            if (actor < _executors.Length) _executors[actor].Step(Pick);
            else if (actor == _executors.Length) Arrive();
            else Decide();
        }
        bool hasEnded = HasEnded();
        _faults.Heal();
        while (_flying.Count > 0) Arrive();
        Judge();
        return new EffectLifeReport(events, _faults.Counts, Requests.Count(r => SinkOf(r.Key).Applied(r.Key) > 1), _replays, _violations, hasEnded, _trace);
    }

    private static EffectRequest RequestOf(int effect)
    {
        bool honours = effect % 2 == 0;
        string key = string.Create(CultureInfo.InvariantCulture, $"{(honours ? "honoured" : "plain")}-{effect}");
        return new EffectRequest(Principal, key, PayloadHash.Of(Encoding.UTF8.GetBytes(key)), honours) { Lease = Lease };
    }

    private static bool Honours(string key) => key[0] == 'h';

    /// <summary>One of the effects; now and then with something else to do under its key, once it is known.</summary>
    private EffectRequest Pick()
    {
        EffectRequest request = Requests[_faults.Random.Next(EffectCount)];
        bool isOther = _faults.Random.OneIn(15) && _ledger.Machine.FindEffect(Principal, request.Key) is not null;
        return isOther ? request with { Request = OtherRequest } : request;
    }

    private EffectSink SinkOf(string key) => Honours(key) ? _honouring : _other;

    private bool HasEnded()
    {
        foreach (EffectRequest request in Requests)
        {
            if (_ledger.Machine.FindEffect(Principal, request.Key) is not { IsOpen: false }) return false;
        }
        return true;
    }

    /// <summary>A request arrives, any of those under way.</summary>
    private void Arrive()
    {
        if (_flying.Count == 0 || _faults.Happens("request_late", 4)) return;
        int at = _faults.Random.Next(_flying.Count);
        (string key, string executor) = _flying[at];
        _flying.RemoveAt(at);
        _arrived.Add(executor);
        int before = SinkOf(key).Applied(key);
        string answer = SinkOf(key).Receive(key, executor);
        Trace(answer);
        if (before > 0 && !Honours(key) && !_reported.Contains(key)) _violations.Add($"{key} was applied a second time and was never reported in doubt");
        if (!Honours(key) && before > _released.GetValueOrDefault(key)) _violations.Add($"{key} was applied for time {before + 1}, and a person had said {_released.GetValueOrDefault(key)} times that it was not done");
        if (_faults.Happens("answer_lost", 15)) return;
        foreach (EffectExecutor e in _executors)
        {
            if (e.Name == executor) e.Hear(answer);
        }
    }

    /// <summary>Somebody looks at what is in doubt, and decides by what was applied so far.</summary>
    private void Decide()
    {
        IReadOnlyList<LedgerEffect> doubtful = _ledger.Machine.ListEffects(EffectStatus.InDoubt).Items;
        if (doubtful.Count == 0)
        {
            Ask(new Tick());
            return;
        }
        LedgerEffect effect = doubtful[_faults.Random.Next(doubtful.Count)];
        string? answer = SinkOf(effect.Id.Name).FirstAnswer(effect.Id.Name);
        EffectVerdict verdict = answer is null ? EffectVerdict.NotDone : EffectVerdict.Done;
        Ask(new Resolve(Principal, effect.Id.Name, effect.Epoch, verdict, "zoe", "looked it up", Encoding.UTF8.GetBytes(answer ?? "")));
        if (_ledger.Machine.FindEffect(Principal, effect.Id.Name) is { Status: EffectStatus.Intended, ResolvedBy: "zoe" }) _released[effect.Id.Name] = _released.GetValueOrDefault(effect.Id.Name) + 1;
    }

    private LedgerReply? Ask(LedgerCommand command)
    {
        Instant at = _faults.Happens("clock_lags", 10) ? _now - TimeSpan.FromSeconds(_faults.Random.Next(30)) : _now;
        LedgerReply? reply = _ledger.Ask(command, at);
        Trace($"{command.GetType().Name} {reply?.Outcome}");
        foreach (EffectRequest request in Requests)
        {
            if (_ledger.Machine.FindEffect(Principal, request.Key) is { Status: EffectStatus.InDoubt }) _reported.Add(request.Key);
        }
        return reply;
    }

    private void Judge()
    {
        if (_ledger.Violation is { } forgotten) _violations.Add(forgotten);
        foreach (string key in Requests.Select(r => r.Key))
        {
            int applied = SinkOf(key).Applied(key);
            if (Honours(key) && applied > 1) _violations.Add($"{key} was applied {applied} times");
            if (_ledger.Machine.FindEffect(Principal, key) is not { Status: EffectStatus.Done } effect) continue;
            string replayed = Encoding.UTF8.GetString(effect.Output.Span);
            if (applied == 0) _violations.Add($"{key} is done and was never applied");
            else if (!SinkOf(key).Answered(key, replayed)) _violations.Add($"{key} replays \"{replayed}\", which nobody answered");
            else if (!Honours(key) && effect.ResolvedBy is null && replayed != EffectSink.AnswerOf(key, effect.Executor!)) _violations.Add($"{key} replays \"{replayed}\", and {effect.Executor} executed it last");
        }
    }

    /// <summary>FNV-1a over all that happened.</summary>
    private void Trace(string what)
    {
        foreach (char c in what) _trace = (_trace ^ c) * 1_099_511_628_211;
    }
}
