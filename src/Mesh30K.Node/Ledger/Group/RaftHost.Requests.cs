using System.Buffers;
using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ledger.Group;

public sealed partial class RaftHost
{
    /// <summary>How often a round looks for requests whose time is over.</summary>
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(1);

    private readonly Dictionary<long, (long Term, HostRequest Request)> _pending = [];
    private readonly Dictionary<long, List<HostRequest.Read>> _reads = [];
    private readonly List<HostRequest.Snapshot> _snapshotsAsked = [];
    private readonly List<HostRequest.Ask?> _proposing = [];
    private readonly List<int> _lengths = [];
    private readonly ArrayBufferWriter<byte> _encoding = new();
    private readonly List<ILedgerCaller> _touched = [];
    private List<RaftMessage> _messagesNow = [];
    private List<HostRequest> _requestsNow = [];
    private List<(ServerId Peer, Instant Theirs, Instant At)> _heardNow = [];
    private (long Index, byte[] Image)? _madeNow;
    private long _persistedNow;
    private HostRequest? _single;
    private long _ids;
    private Instant _sweptAt;
    private Instant _tickAgainAt;
    private bool _snapshotAsked;
    private bool _isAmidRound;

    /// <summary>When there is something to do although nothing has come.</summary>
    private Instant Due()
    {
        Instant due = _machine.NextDue;
        if (_pending.Count + _reads.Count > 0 && _sweptAt + SweepEvery < due) due = _sweptAt + SweepEvery;
        if (_machine.Role != RaftRole.Leader || _ledger.NextDue is not { } ledger) return due;
        Instant tick = Now + (ledger - WallNow);
        if (tick < _tickAgainAt) tick = _tickAgainAt;
        return tick < due ? tick : due;
    }

    /// <summary>All that has come, in the order in which it lets most go on.</summary>
    private void Round()
    {
        _isAmidRound = true;
        if (_persistedNow > _durable)
        {
            _durable = _persistedNow;
            SendHeld();
            Step(new RaftInput.Persisted(_durable));
        }
        foreach ((ServerId peer, Instant theirs, Instant at) in _heardNow) _clocks.Hear(peer, theirs, at);
        foreach (RaftMessage message in _messagesNow) Step(new RaftInput.Receive(message));
        if (_madeNow is { } made) TakeImage(made);
        TakeRequests();
        if (Now >= _machine.NextDue) Step(RaftInput.Tick.Now);
        TickLedger();
        Sweep();
        if (_requestsNow.Count > 0) _transport.Flush();
        foreach (ILedgerCaller caller in _touched) caller.Flush();
        _transport.Flush();
        _messagesNow.Clear();
        _requestsNow.Clear();
        _heardNow.Clear();
        _touched.Clear();
        _isAmidRound = false;
    }

    private void TakeRequests()
    {
        List<HostRequest.Read>? reads = null;
        int bytes = 0;
        Instant now = Now;
        foreach (HostRequest request in _requestsNow)
        {
            if (request.Due <= now) Refuse(request, new LedgerRefusal(LedgerCertainty.NotTaken, "its time was over before the coordinator came to it", Retry: false));
            else if (request is HostRequest.Status) Answer(request, Status());
            else if (request is HostRequest.Snapshot snapshot) TakeSnapshot(snapshot);
            else if (_machine.Role != RaftRole.Leader) Refuse(request, NotLeader());
            else if (request is HostRequest.Ask ask) bytes = Gather(ask, bytes);
            else if (request is HostRequest.Read read) (reads ??= []).Add(read);
            else TakeSingle(request);
        }
        Propose();
        if (reads is null) return;
        _reads.Add(++_ids, reads);
        Step(new RaftInput.Read(_ids));
    }

    private int Gather(HostRequest.Ask ask, int bytes)
    {
        if (ask.Command is LedgerCommand.SetKey set && ask.Caller is not AddressStep && set.Key.StartsWith(AddressPrefix, StringComparison.Ordinal))
        {
            ask.Caller.Answer(ask.Id, new LedgerReply(LedgerOutcome.Invalid, null, $"keys that begin with {AddressPrefix} are the coordinators' own: use mesh ledger members"));
            Touch(ask.Caller);
            return bytes;
        }
        if (!_clocks.MayPropose(Now, WallNow))
        {
            Refuse(ask, new LedgerRefusal(LedgerCertainty.NotTaken, ClockOff(), Retry: true));
            return bytes;
        }
        Encode(ask.Command, ask);
        bytes += _lengths[^1];
        if (bytes < _options.ProposeBytesMax && _proposing.Count < _options.ProposeCountMax) return bytes;
        Propose();
        return 0;
    }

    private void Encode(LedgerCommand command, HostRequest.Ask? ask)
    {
        int before = _encoding.WrittenCount;
        LedgerCodec.Encode(command, new Instant(Math.Max(0, WallNow.Ticks)), _encoding);
        _lengths.Add(_encoding.WrittenCount - before);
        _proposing.Add(ask);
    }

    /// <summary>Proposes what was gathered, as one.</summary>
    private void Propose()
    {
        if (_proposing.Count == 0) return;
        ReadOnlyMemory<byte> all = _encoding.WrittenSpan.ToArray();
        ReadOnlyMemory<byte>[] payloads = new ReadOnlyMemory<byte>[_lengths.Count];
        int at = 0;
        for (int i = 0; i < payloads.Length; i++)
        {
            payloads[i] = all.Slice(at, _lengths[i]);
            at += _lengths[i];
        }
        _encoding.ResetWrittenCount();
        _lengths.Clear();
        Step(new RaftInput.Propose(++_ids, payloads));
        _proposing.Clear();
    }

    private void TakeSingle(HostRequest request)
    {
        _single = request;
        switch (request)
        {
            case HostRequest.Change { Step: MemberStep.AddLearner, Address: not null } when !_clocks.MayPropose(Now, WallNow):
                Refuse(request, new LedgerRefusal(LedgerCertainty.NotTaken, ClockOff(), Retry: true)); // its address is a command, and would give log time
                break;
            case HostRequest.Change { Step: MemberStep.AddLearner, Address: { } address } change:
                // Where it is has to be known everywhere before anybody has to reach it.
                LedgerCommand.SetKey set = new(AddressPrefix + change.Server.Number.ToString(CultureInfo.InvariantCulture), Encoding.UTF8.GetBytes(address.ToString()), null);
                Encode(set, new HostRequest.Ask(new AddressStep(this, change), 0, change.Due, set));
                break;
            case HostRequest.Change change:
                Step(new RaftInput.Change(++_ids, change.Step, change.Server));
                break;
            case HostRequest.Transfer transfer:
                ServerId to = transfer.To == ServerId.None ? _machine.Membership.Voters.FirstOrDefault(v => v != Self && _transport.IsLinked(v)) : transfer.To;
                if (to == ServerId.None) Refuse(transfer, new LedgerRefusal(LedgerCertainty.NotTaken, "no other voter is reachable", Retry: false));
                else Step(new RaftInput.Transfer(++_ids, to));
                break;
        }
        _single = null;
    }

    private void TakeSnapshot(HostRequest.Snapshot snapshot)
    {
        if (_applied == _machine.Snapshot.At.Index)
        {
            snapshot.Caller.Done(snapshot.Id);
            Touch(snapshot.Caller);
            return;
        }
        _snapshotsAsked.Add(snapshot);
        if (!_snapshotAsked) MakeSnapshot();
    }

    private void Accepted(RaftEffect.Accepted accepted)
    {
        if (_single is HostRequest.Transfer transfer)
        {
            transfer.Caller.Done(transfer.Id);
            Touch(transfer.Caller);
            return;
        }
        if (_single is { } change)
        {
            Await(accepted.First, change);
            return;
        }
        for (int i = 0; i < _proposing.Count; i++)
            if (_proposing[i] is { } ask) Await(accepted.First with { Index = accepted.First.Index + i }, ask);
    }

    private void Await(LogPlace place, HostRequest request)
    {
        // An entry of an older term that lay there may yet be committed by another leader.
        if (_pending.Remove(place.Index, out (long Term, HostRequest Request) older)) Refuse(older.Request, Lost());
        _pending.Add(place.Index, (place.Term, request));
    }

    private void Refused(RaftEffect.Refused refused)
    {
        LedgerRefusal refusal = refused.Why switch
        {
            RaftRefusal.NotLeader or RaftRefusal.LostLeadership => NotLeader(),
            RaftRefusal.Busy => new LedgerRefusal(LedgerCertainty.NotTaken, "too much is under way at the leader", Retry: true),
            RaftRefusal.Transferring => new LedgerRefusal(LedgerCertainty.NotTaken, "the lead is being handed over", Retry: true),
            RaftRefusal.ChangePending => new LedgerRefusal(LedgerCertainty.NotTaken, "another change of members is under way, or the leader is new", Retry: true),
            _ => new LedgerRefusal(LedgerCertainty.NotTaken, "not possible as the group is: see mesh ledger status for who is a voter, a learner, and how far each has come", Retry: false),
        };
        if (_reads.Remove(refused.Id, out List<HostRequest.Read>? reads))
            foreach (HostRequest.Read read in reads) Refuse(read, refusal);
        else if (_single is { } single) Refuse(single, refusal);
        else
            foreach (HostRequest.Ask? ask in _proposing)
                if (ask is not null) Refuse(ask, refusal);
    }

    private void AnswerReads(long id)
    {
        if (!_reads.Remove(id, out List<HostRequest.Read>? reads)) return;
        foreach (HostRequest.Read read in reads)
        {
            read.Caller.Answer(read.Id, _ledger.Look(read.Query));
            Touch(read.Caller);
        }
    }

    private void AnswerPending(RaftEntry entry, LedgerReply? reply)
    {
        if (!_pending.Remove(entry.Index, out (long Term, HostRequest Request) pending)) return;
        HostRequest request = pending.Request;
        if (pending.Term != entry.Term) Refuse(request, new LedgerRefusal(LedgerCertainty.NotTaken, "another leader's entry took its place", Retry: true, _machine.Leader, AddressOf(_machine.Leader)));
        else
        {
            if (reply is not null && request is HostRequest.Ask) request.Caller.Answer(request.Id, reply);
            else request.Caller.Done(request.Id);
            Touch(request.Caller);
        }
    }

    /// <summary>A snapshot went over them: they were committed there, or not.</summary>
    private void LosePendingUpTo(long index)
    {
        foreach (long at in _pending.Keys.Where(i => i <= index).ToArray())
            if (_pending.Remove(at, out (long Term, HostRequest Request) lost)) Refuse(lost.Request, Lost());
    }

    /// <summary>When log time has to go forward for something to happen, and no command brings it, the leader does.</summary>
    private void TickLedger()
    {
        if (_machine.Role != RaftRole.Leader || !(_ledger.NextDue <= WallNow) || Now < _tickAgainAt) return;
        _tickAgainAt = Now + _options.Raft.ElectionMin; // one at a time, and again when that one was lost or the clock may give none
        if (!_clocks.MayPropose(Now, WallNow)) return;
        Encode(new LedgerCommand.Tick(), null);
        Propose();
    }

    private void Sweep()
    {
        Instant now = Now;
        if (now - _sweptAt < SweepEvery) return;
        _sweptAt = now;
        if (_machine.Role == RaftRole.Leader && !_clocks.MayPropose(now, WallNow)) HandOver();
        if (_pending.Count > 0)
        {
            foreach (long at in _pending.Where(p => p.Value.Request.Due <= now).Select(p => p.Key).ToArray())
                if (_pending.Remove(at, out (long Term, HostRequest Request) late)) Refuse(late.Request, Lost());
        }
        foreach ((long id, List<HostRequest.Read> reads) in _reads)
        {
            foreach (HostRequest.Read late in reads.Where(r => r.Due <= now)) Refuse(late, NotLeader() with { Why = "no majority has confirmed the lead in time" });
            reads.RemoveAll(r => r.Due <= now);
        }
    }

    private void HandOver()
    {
        ServerId to = _machine.Membership.Voters.FirstOrDefault(v => v != Self && _transport.IsLinked(v));
        if (to != ServerId.None) Step(new RaftInput.Transfer(++_ids, to));
    }

    private void RefuseAll(Exception? why)
    {
        string told = why is null ? "the coordinator is stopping" : $"the coordinator has stopped: {why.Message}";
        LedgerRefusal notTaken = new(LedgerCertainty.NotTaken, told, Retry: true);
        LedgerRefusal unknown = notTaken with { Certainty = LedgerCertainty.Unknown };
        lock (_gate) _stopping = true;
        // A round that broke off may have proposed some of its requests, and others may have them already.
        foreach (HostRequest request in _requestsNow) Refuse(request, _isAmidRound && request is not HostRequest.Read ? unknown : notTaken);
        foreach (HostRequest request in _requests) Refuse(request, notTaken);
        foreach ((_, HostRequest request) in _pending.Values) Refuse(request, unknown);
        foreach (HostRequest.Read read in _reads.Values.SelectMany(r => r)) Refuse(read, notTaken);
        foreach (ILedgerCaller caller in _touched) caller.Flush();
    }

    private void Answer(HostRequest request, CoordinatorStatus status)
    {
        request.Caller.Answer(request.Id, status);
        Touch(request.Caller);
    }

    private void Refuse(HostRequest request, LedgerRefusal refusal)
    {
        request.Caller.Refuse(request.Id, refusal);
        Touch(request.Caller);
    }

    private void Touch(ILedgerCaller caller)
    {
        if (_touched.Count == 0 || (_touched[^1] != caller && !_touched.Contains(caller))) _touched.Add(caller);
    }

    private LedgerRefusal NotLeader() => new(LedgerCertainty.NotTaken, _machine.Leader == ServerId.None ? "no leader is known" : $"{_machine.Leader} leads", Retry: true, _machine.Leader, AddressOf(_machine.Leader));

    private LedgerRefusal Lost() => new(LedgerCertainty.Unknown, "the lead or the majority was lost while it was under way", Retry: true, _machine.Leader, AddressOf(_machine.Leader));

    private ServerAddress? AddressOf(ServerId server) => _added.GetValueOrDefault(server.Number);

    private string ClockOff() => string.Create(
        CultureInfo.InvariantCulture, $"the leader's clock is {_clocks.Ahead(Now, WallNow)?.TotalSeconds:+0.0;-0.0} s off the others' ({_options.ClockOffMax.TotalSeconds:0.#} s are allowed): set the clocks of the coordinators");

    private CoordinatorStatus Status() => new()
    {
        Server = Self.Number,
        Role = _machine.Role,
        Term = _machine.Term,
        Leader = _machine.Leader.Number,
        Last = _machine.Last.Index,
        Durable = _machine.DurableIndex,
        Commit = _machine.CommitIndex,
        Applied = _applied,
        Snapshot = _machine.Snapshot.At.Index,
        LogBytes = _journal.Bytes,
        Syncs = _journal.Syncs,
        Voters = [.. _machine.Membership.Voters.Select(v => v.Number)],
        Learners = [.. _machine.Membership.Learners.Select(v => v.Number)],
        Linked = [.. _machine.Membership.Voters.Concat(_machine.Membership.Learners).Where(v => v != Self && _transport.IsLinked(v)).Select(v => v.Number)],
        Added = [.. _added.OrderBy(a => a.Key).Select(a => new GroupServer(a.Key, a.Value.Host, a.Value.Port))],
        LogTime = _ledger.Now.ToDateTimeOffset(),
        Counts = _ledger.Counts,
        LedgerBytes = _ledger.Bytes,
        ClockAheadMs = _clocks.Ahead(Now, WallNow)?.TotalMilliseconds,
    };

    /// <summary>The first half of adding a server: when its address is in the ledger, the change itself is asked for.</summary>
    private sealed class AddressStep(RaftHost host, HostRequest.Change change) : ILedgerCaller
    {
        public void Answer(long id, LedgerReply reply)
        {
            if (reply.Outcome != LedgerOutcome.Ok) Refuse(id, new LedgerRefusal(LedgerCertainty.NotTaken, reply.Message, Retry: false));
            else host.Submit([change with { Address = null }]);
        }

        public void Refuse(long id, LedgerRefusal refusal) => change.Caller.Refuse(change.Id, refusal);

        public void Flush() => change.Caller.Flush();

        public void Answer(long id, LedgerPage<LedgerEntry> page) => throw new InvalidOperationException("an address was set, not read");

        public void Answer(long id, CoordinatorStatus status) => throw new InvalidOperationException("an address was set, not read");

        public void Done(long id) => throw new InvalidOperationException("an address was set, not a member changed");
    }
}
