using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Simulation.Strong;

/// <summary>What one seed found.</summary>
/// <param name="Events">Steps of the simulation.</param>
/// <param name="Faults">How often each kind of fault happened.</param>
/// <param name="AppliedAgain">Effects whose receiver does not honour keys that were applied more than once, after they had been reported in doubt.</param>
/// <param name="Violations">What does not hold.</param>
/// <param name="HasEnded">Whether every effect came to an end after the faults had stopped.</param>
/// <param name="TraceHash">Of all that happened: the same seed gives the same.</param>
public sealed record EffectLifeReport(
    long Events, IReadOnlyDictionary<string, long> Faults, int AppliedAgain, IReadOnlyList<string> Violations, bool HasEnded, ulong TraceHash);

/// <summary>
/// The life of effects under faults, from one seed: executors that crash, pause beyond their leases and lose answers at every point; a ledger on a journal that crashes; requests
/// that arrive late or never; clocks that lag; a person who decides on what is in doubt by what there is to see, and may be wrong, since a request can still arrive.
/// </summary>
/// <remarks>
/// Checked: an effect whose receiver honours its key is applied exactly once, and its first answer is what the ledger replays. One whose receiver does not is applied again only
/// after the ledger reported it in doubt. The ledger comes back from each crash with the state that it had. When faults stop, all effects end.
/// </remarks>
public sealed class EffectLife
{
    /// <summary>Effects of one seed: half of them with a receiver that honours keys.</summary>
    public const int EffectCount = 6;

    private const int HealAfter = 1_500;
    private const int EventsMax = 20_000;
    private const string Principal = "ana";
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(40);

    private readonly SimulatedFaults _faults;
    private readonly JournaledLedger _ledger;
    private readonly EffectSink _honouring;
    private readonly EffectSink _other = new(honoursKeys: false);
    private readonly Executor[] _executors = [.. Enumerable.Range(0, 3).Select(i => new Executor(i))];
    private readonly List<(string Key, string Executor)> _flying = [];
    private readonly HashSet<string> _reported = [];
    private readonly List<string> _violations = [];
    private Instant _now = new(10_000_000_000);
    private ulong _trace = 14_695_981_039_346_656_037;

    private EffectLife(ulong seed, bool sinkLies)
    {
        _faults = new SimulatedFaults(seed);
        _ledger = new JournaledLedger(_faults);
        _honouring = new EffectSink(honoursKeys: !sinkLies);
    }

    private enum Phase
    {
        /// <summary>Does nothing; picks an effect next.</summary>
        Idle,

        /// <summary>Asks the ledger for the effect until it hears an answer.</summary>
        Starting,

        /// <summary>Has it, and is about to send.</summary>
        Sending,

        /// <summary>Has sent, and waits for the answer.</summary>
        Waiting,

        /// <summary>Has the answer, and tells the ledger until it hears an answer.</summary>
        Reporting,
    }

    /// <summary>Runs one seed.</summary>
    /// <param name="sinkLies">Whether the receiver that says so does not honour keys: the check has to find that.</param>
    public static EffectLifeReport Run(ulong seed, bool sinkLies = false) => new EffectLife(seed, sinkLies).Run();

    private EffectLifeReport Run()
    {
        int events = 0;
        for (; events < EventsMax && !HasEnded(); events++)
        {
            if (events == HealAfter) _faults.Heal();
            _now += TimeSpan.FromMilliseconds(_faults.Random.Next(2_000));
            int actor = _faults.Random.Next(_executors.Length + 2);
            if (actor < _executors.Length) Step(_executors[actor]);
            else if (actor == _executors.Length) Arrive();
            else Decide();
            foreach (LedgerEffect doubtful in _ledger.Machine.ListEffects(EffectStatus.InDoubt).Items) _reported.Add(doubtful.Id.Name);
        }
        bool hasEnded = HasEnded();
        _faults.Heal();
        while (_flying.Count > 0) Arrive();
        Judge();
        return new EffectLifeReport(events, _faults.Counts, Keys().Count(k => SinkOf(k).Applied(k) > 1), _violations, hasEnded, _trace);
    }

    private static IEnumerable<string> Keys() => Enumerable.Range(0, EffectCount).Select(KeyOf);

    private static string KeyOf(int effect) => string.Create(CultureInfo.InvariantCulture, $"{(effect % 2 == 0 ? "honoured" : "plain")}-{effect}");

    private static bool Honours(string key) => key[0] == 'h';

    private EffectSink SinkOf(string key) => Honours(key) ? _honouring : _other;

    private bool HasEnded() => Keys().All(k => _ledger.Machine.FindEffect(Principal, k) is { IsOpen: false });

    private void Step(Executor e)
    {
        if (e.Pause > 0)
        {
            e.Pause--;
            return;
        }
        if (_faults.Happens("executor_crash_" + e.Phase.ToString().ToLowerInvariant(), 15))
        {
            e.Rest(_faults.Random.Next(20)); // what it has sent is under way all the same
            return;
        }
        if (_faults.Happens("executor_paused", 40))
        {
            e.Pause = _faults.Random.Next(60);
            return;
        }
        if (e.Phase == Phase.Idle) e.Pick(KeyOf(_faults.Random.Next(EffectCount)));
        else if (e.Phase == Phase.Starting) Start(e);
        else if (e.Phase == Phase.Sending) Send(e);
        else if (e.Phase == Phase.Reporting) Report(e);
        else if (++e.Waited > 30) e.Rest(0); // it gives up, and the lease runs out
    }

    private void Start(Executor e)
    {
        LedgerReply? reply = Ask(new Start(Principal, e.Key, PayloadHash.Of(Encoding.UTF8.GetBytes(e.Key)), Honours(e.Key), TimeSpan.FromDays(1), e.Name, Lease));
        if (reply is null) return;
        if (reply is not { Outcome: LedgerOutcome.Ok, Entry: LedgerEffect effect }) e.Rest(0);
        else (e.Epoch, e.Phase) = (effect.Epoch, Phase.Sending);
    }

    private void Send(Executor e)
    {
        if (_faults.Happens("connection_refused", 15))
        {
            (e.Result, e.Answer, e.Phase) = (EffectReport.NotRun, "", Phase.Reporting);
            return;
        }
        if (!_faults.Happens("request_lost", 30)) _flying.Add((e.Key, e.Name));
        (e.Phase, e.Waited) = (Phase.Waiting, 0);
    }

    private void Report(Executor e)
    {
        if (Ask(new Finish(Principal, e.Key, e.Epoch, e.Result, Encoding.UTF8.GetBytes(e.Answer))) is not null) e.Rest(0);
    }

    /// <summary>A request arrives, any of those under way.</summary>
    private void Arrive()
    {
        if (_flying.Count == 0 || _faults.Happens("request_late", 4)) return;
        int at = _faults.Random.Next(_flying.Count);
        (string key, string executor) = _flying[at];
        _flying.RemoveAt(at);
        bool isAgain = SinkOf(key).Applied(key) > 0;
        string answer = SinkOf(key).Receive(key, executor);
        Trace(answer);
        if (isAgain && !Honours(key) && !_reported.Contains(key)) _violations.Add($"{key} was applied a second time and was never reported in doubt");
        if (_faults.Happens("answer_lost", 15)) return;
        foreach (Executor e in _executors)
        {
            if (e.Phase == Phase.Waiting && e.Name == executor) (e.Result, e.Answer, e.Phase) = (EffectReport.Done, answer, Phase.Reporting);
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
    }

    private LedgerReply? Ask(LedgerCommand command)
    {
        Instant at = _faults.Happens("clock_lags", 10) ? _now - TimeSpan.FromSeconds(_faults.Random.Next(30)) : _now;
        LedgerReply? reply = _ledger.Ask(command, at);
        Trace($"{command.GetType().Name} {reply?.Outcome}");
        return reply;
    }

    private void Judge()
    {
        if (_ledger.Violation is { } forgotten) _violations.Add(forgotten);
        foreach (string key in Keys())
        {
            int applied = SinkOf(key).Applied(key);
            if (Honours(key) && applied > 1) _violations.Add($"{key} was applied {applied} times");
            if (_ledger.Machine.FindEffect(Principal, key) is not { Status: EffectStatus.Done } effect) continue;
            string replayed = Encoding.UTF8.GetString(effect.Output.Span);
            if (applied == 0) _violations.Add($"{key} is done and was never applied");
            else if (!SinkOf(key).Answered(key, replayed)) _violations.Add($"{key} replays \"{replayed}\", which nobody answered");
        }
    }

    /// <summary>FNV-1a over all that happened.</summary>
    private void Trace(string what)
    {
        foreach (char c in what) _trace = (_trace ^ c) * 1_099_511_628_211;
    }

    private sealed class Executor(int number)
    {
        private int _attempts;

        /// <summary>Of its own for each attempt.</summary>
        public string Name { get; private set; } = "";

        public string Key { get; private set; } = "";

        public Phase Phase { get; set; }

        public long Epoch { get; set; }

        public EffectReport Result { get; set; }

        public string Answer { get; set; } = "";

        /// <summary>Steps that it does not take.</summary>
        public int Pause { get; set; }

        /// <summary>Steps that it has waited for an answer.</summary>
        public int Waited { get; set; }

        public void Pick(string key) => (Key, Name, Phase) = (key, string.Create(CultureInfo.InvariantCulture, $"e{number}/{++_attempts}"), Phase.Starting);

        public void Rest(int steps) => (Phase, Pause) = (Phase.Idle, steps);
    }
}
