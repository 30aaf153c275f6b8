using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>What a server tells a client.</summary>
internal enum ClientAnswer
{
    /// <summary>It took place, and the reply says how.</summary>
    Done,

    /// <summary>It surely was not done, and will not be.</summary>
    NotTaken,
}

/// <summary>What a client asks of a server, once.</summary>
/// <param name="Command">Null for a read.</param>
/// <param name="Beside">Commands that are proposed together with it.</param>
internal sealed record ClientRequest(SimClient Client, long Attempt, string Key, LedgerCommand? Command, int Beside);

/// <summary>
/// A client of the group: asks for one thing after another, finds the leader, tries again what is safe to try again, and knows in the end whether it was done,
/// was not, or may have been. What it saw goes into the history, which is checked at the end of the run.
/// </summary>
internal sealed class SimClient(SimWorld world, RaftGroup group, int number, ClientHabits habits, List<HistoryOperation> history)
{
    private const int TriesMax = 12;
    private static readonly string[] Keys = ["x", "y", "z"];

    private readonly SimRandom _random = world.RandomOf(SimStream.Client, number);
    private readonly bool _staysWithOne = number % 3 == 2;
    private long _attempt;
    private int _tries;
    private ServerId _asks;
    private HistoryOp _op;
    private string _key = "";
    private string? _value;
    private string? _expected;
    private string? _lastSeen;
    private long _called = -1;
    private int _written;

    /// <summary>What it still waits for is of unknown outcome.</summary>
    public void End()
    {
        if (_called >= 0) Record(HistoryOutcome.Unknown, null, returned: null);
    }

    /// <summary>Asks for the next thing after a pause.</summary>
    public void Rest()
    {
        _called = -1;
        After(_random.Ms(0.1, 2 * habits.PauseMs), Begin);
    }

    public void Answered(long attempt, ClientAnswer answer, ServerId leader, LedgerReply? reply, string? output)
    {
        if (attempt != _attempt || _called < 0) return;
        if (answer == ClientAnswer.NotTaken)
        {
            TryAgain(leader);
            return;
        }
        if (_op == HistoryOp.Get) Record(HistoryOutcome.Ok, output, world.Now);
        else if (reply!.Outcome == LedgerOutcome.Ok) Record(HistoryOutcome.Ok, null, world.Now);
        else Record(HistoryOutcome.Fail, ValueOf(reply.Entry as LedgerValue), world.Now);
        _lastSeen = _op == HistoryOp.Get ? output : _value;
        Rest();
    }

    public static string? ValueOf(LedgerValue? value) => value is null ? null : Encoding.UTF8.GetString(value.Value.Span);

    private void Begin()
    {
        int kind = _random.Next(100);
        _op = group.OnlyReads || kind < habits.ReadPercent ? HistoryOp.Get : kind < habits.ReadPercent + (100 - habits.ReadPercent) * 2 / 3 ? HistoryOp.Put : HistoryOp.Cas;
        _key = Keys[_random.Next(Keys.Length)];
        (_value, _expected) = (null, null);
        if (_op != HistoryOp.Get) _value = string.Create(CultureInfo.InvariantCulture, $"{number}.{++_written}") + new string('.', _random.Next(40));
        if (_op == HistoryOp.Cas) _expected = _lastSeen;
        (_called, _tries) = (world.Now, 0);
        if (_staysWithOne ? _asks == ServerId.None || _random.OneIn(20) : _random.OneIn(12)) _asks = _random.Of(group.Servers).Id;
        Ask();
    }

    private void Ask()
    {
        long attempt = ++_attempt;
        if (group.Find(_asks) is not { } server) server = _random.Of(group.Servers);
        _asks = server.Id;
        ClientRequest request = new(this, attempt, _key, Command(), _random.OneIn(4) ? _random.Between(1, 6) : 0);
        group.Network.TryReach("request", at => world.Schedule(at, SimEventKind.Ask, server, request));
        After(_random.Ms(40, habits.PatienceMs), () => LosePatience(attempt));
    }

    private LedgerCommand? Command()
    {
        if (_op == HistoryOp.Get) return null;
        KeyExpectation? expected = _op == HistoryOp.Put ? null : _expected is null ? new KeyExpectation.Absent() : new KeyExpectation.OfValue(Encoding.UTF8.GetBytes(_expected));
        return new LedgerCommand.SetKey(_key, Encoding.UTF8.GetBytes(_value!), expected);
    }

    private void LosePatience(long attempt)
    {
        if (attempt != _attempt || _called < 0) return;
        if (_op == HistoryOp.Get)
        {
            TryAgain(ServerId.None); // a read changes nothing
            return;
        }
        Record(HistoryOutcome.Unknown, null, returned: null);
        if (!_staysWithOne) _asks = ServerId.None;
        Rest();
    }

    private void TryAgain(ServerId leader)
    {
        _attempt++; // an answer to the last one is too late
        if (++_tries >= TriesMax)
        {
            Rest(); // nothing was done: there is nothing to record
            return;
        }
        if (!_staysWithOne) _asks = leader != ServerId.None && !_random.OneIn(8) ? leader : _random.Of(group.Servers).Id;
        else if (_random.OneIn(6)) _asks = _random.Of(group.Servers).Id;
        After(_random.Ms(1, 25), Ask);
    }

    private void Record(HistoryOutcome outcome, string? output, long? returned)
    {
        const int NsPerTick = 100;
        history.Add(new HistoryOperation(history.Count + 1, number, _op, _key, _value, _expected, _called * NsPerTick, returned * NsPerTick, outcome, output));
        _called = -1;
    }

    private void After(long ticks, Action then) => world.Schedule(world.Now + ticks, SimEventKind.Client, null, then);
}

/// <summary>How the clients of a run behave.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="PauseMs">Between two operations of one, on average.</param>
/// <param name="PatienceMs">How long one waits for an answer at most.</param>
/// <param name="ReadPercent">Of 100 operations, how many are reads.</param>
internal sealed record ClientHabits(int Count, double PauseMs, double PatienceMs, int ReadPercent);
