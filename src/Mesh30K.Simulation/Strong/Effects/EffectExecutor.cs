using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Laws;

namespace Mesh30K.Simulation.Strong.Effects;

/// <summary>What an executor deals with.</summary>
internal interface IEffectWorld
{
    SimulatedFaults Faults { get; }

    /// <summary>True time.</summary>
    Instant Now { get; }

    /// <summary>The ledger's reply; null when it is not learned.</summary>
    LedgerReply? Ask(LedgerCommand command);

    /// <summary>What the ledger holds.</summary>
    LedgerEffect? Find(string key);

    /// <summary>A request goes out.</summary>
    void Send(string key, string executor);

    /// <summary>Whether the receiver has it.</summary>
    bool HasArrived(string executor);

    /// <summary>A run has ended: checks what its caller is told.</summary>
    void Told(EffectRequest request, string executor, EffectResult result);

    void Violated(string what);
}

/// <summary>
/// One process that executes effects, one after the other, by the production code's decisions (<see cref="EffectRun"/>). It crashes before and after everything that it says or hears,
/// stops for longer than its leases, and its clock runs at half or twice the pace.
/// </summary>
internal sealed class EffectExecutor(int number, IEffectWorld world)
{
    public const string Principal = "ana";
    private const int CrashOnceIn = 40;
    private const int WaitsMost = 30;

    private readonly double _pace = (number % 3) switch { 0 => 1, 1 => 0.5, _ => 2 };
    private EffectRun? _run;
    private EffectStep? _step;
    private EffectRequest? _request;
    private int _attempts;
    private int _idle;
    private int _waited;
    private bool _isSent;
    private Instant _resumeAt;

    /// <summary>Of its own for each run.</summary>
    public string Name { get; private set; } = "";

    private Instant Local => new((long)(world.Now.Ticks * _pace));

    private LawRandom Random => world.Faults.Random;

    /// <summary>One thing that it does, or nothing.</summary>
    public void Step(Func<EffectRequest> pick)
    {
        if (_idle > 0)
        {
            _idle--;
            return;
        }
        if (_step is null)
        {
            Begin(pick());
            return;
        }
        if (Crashes(Point(_step))) return;
        if (world.Faults.Happens("executor_paused", 60)) _idle = Random.Next(60);
        else if (_run!.RenewAt <= Local && !Random.OneIn(8)) Renew();
        else Do(_step);
    }

    /// <summary>The receiver's answer.</summary>
    public void Hear(string answer)
    {
        if (_step is EffectStep.Execute && _isSent) Take(_run!.Executed(new EffectOutcome(EffectReport.Done, Encoding.UTF8.GetBytes(answer)), Local));
    }

    private void Begin(EffectRequest request)
    {
        _request = request;
        Name = string.Create(CultureInfo.InvariantCulture, $"e{number}/{++_attempts}");
        EffectRunOptions options = new()
        {
            WaitForOther = TimeSpan.FromSeconds(Random.Next(2) * 60),
            LedgerWithin = TimeSpan.FromSeconds(20),
            PauseFirst = TimeSpan.FromSeconds(1),
            PauseMost = TimeSpan.FromSeconds(5),
        };
        _run = new EffectRun(request, Name, options);
        Take(_run.Begin(Local));
    }

    private void Do(EffectStep step)
    {
        switch (step)
        {
            case EffectStep.Ask ask:
                LedgerAnswer? answer = Ask(ask.Command);
                if (answer is not null) Take(_run!.Answered(answer, Local));
                break;
            case EffectStep.Look:
                bool isAnswered = !world.Faults.Happens("read_lost", 20);
                Take(_run!.Seen(isAnswered, isAnswered ? world.Find(_request!.Key) : null, Local));
                break;
            case EffectStep.Pause when Local >= _resumeAt:
                Take(_run!.Resumed(Local));
                break;
            case EffectStep.Execute when !_isSent:
                Send();
                break;
            case EffectStep.Execute when ++_waited > WaitsMost:
                Take(_run!.Executed(new EffectOutcome(null, default, "no answer in time"), Local));
                break;
        }
    }

    private void Send()
    {
        if (world.Faults.Happens("connection_refused", 15))
        {
            Take(_run!.Executed(new EffectOutcome(EffectReport.NotRun, default, "refused"), Local));
            return;
        }
        if (!world.Faults.Happens("request_lost", 30)) world.Send(_request!.Key, Name);
        (_isSent, _waited) = (true, 0);
    }

    private void Renew()
    {
        EffectStep.Ask renewal = _run!.Renewal(Local);
        if (Ask(renewal.Command) is { } answer) _run.Renewed(answer, Local);
    }

    /// <summary>The ledger's answer; null when the executor crashed before it heard it.</summary>
    private LedgerAnswer? Ask(LedgerCommand command)
    {
        if (world.Faults.Happens("ledger_unreachable", 40)) return new LedgerAnswer(LedgerCertainty.NotTaken, null, "unreachable");
        LedgerReply? reply = world.Ask(command);
        if (Crashes("after_" + command.GetType().Name.ToLowerInvariant())) return null;
        if (command is LedgerCommand.Renew && reply is { Outcome: LedgerOutcome.Ok, Entry: LedgerEffect renewed } && renewed.Executor != Name)
            world.Violated($"{Name} renewed the lease of {renewed.Executor} on {renewed.Id.Name}");
        return reply is null ? new LedgerAnswer(LedgerCertainty.Unknown, null, "lost") : new LedgerAnswer(LedgerCertainty.Answered, reply);
    }

    private void Take(EffectStep step)
    {
        _step = step;
        if (step is EffectStep.Execute) _isSent = false;
        if (step is EffectStep.Pause pause) _resumeAt = Local + (pause.AtMost * (0.5 + (Random.Next(500) / 1_000.0)));
        if (step is not EffectStep.End end) return;
        world.Told(_request!, Name, end.Result);
        Rest(0);
    }

    /// <summary>Whether it crashes now. What it has sent is under way all the same.</summary>
    private bool Crashes(string point)
    {
        if (!world.Faults.Happens("executor_crash_" + point, CrashOnceIn)) return false;
        Rest(Random.Next(20));
        return true;
    }

    /// <summary>Where in the life of an effect it is.</summary>
    private string Point(EffectStep step) => step switch
    {
        _ when _run!.RenewAt <= Local => "before_renew",
        EffectStep.Ask ask => "before_" + ask.Command.GetType().Name.ToLowerInvariant(),
        EffectStep.Look => "looking",
        EffectStep.Pause => "pausing",
        EffectStep.Execute when !_isSent => "before_send",
        _ => world.HasArrived(Name) ? "applied" : "sent",
    };

    private void Rest(int steps) => (_run, _step, _idle) = (null, null, steps);
}
