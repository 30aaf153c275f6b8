using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Simulation.Strong;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>What all clients of a run share.</summary>
/// <param name="Pace">Between the beginnings of two operations of a client at least: bounds a run's operations, and so its memory.</param>
internal sealed record ClusterClients(ClusterKeys Keys, HistoryRecorder History, FailoverMeter Meter, TimeSpan Pace);

/// <summary>
/// One client: gets, puts and compare-and-sets one after the other, each recorded as it saw it. Every value is written once only, so the check is sharp. Its seed gives what it does, the
/// machine when. One owner.
/// </summary>
internal sealed class ClusterClient(int number, int seed, ILedger ledger, ClusterClients shared)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    private readonly Random _random = new(seed);
    private long _writes;
    private CancellationToken _abort;
    private int _wellInARow;

    /// <summary>Operations that were answered since the last that was not. Any thread may read it.</summary>
    public int WellInARow => Volatile.Read(ref _wellInARow);

    /// <summary>Operations that were not recorded, since the ledger surely did not take them: they say nothing of a register.</summary>
    public int NotTaken { get; private set; }

    /// <summary>Works until it is told to stop, and then ends the operation under way; <paramref name="abort"/> does not wait for that.</summary>
    public async Task RunAsync(CancellationToken stop, CancellationToken abort)
    {
        _abort = abort;
        while (!stop.IsCancellationRequested)
        {
            long began = shared.History.NowNs;
            bool well = await StepAsync().ConfigureAwait(false);
            Volatile.Write(ref _wellInARow, well ? _wellInARow + 1 : 0);
            TimeSpan rest = (well ? shared.Pace : shared.Pace + TimeSpan.FromMilliseconds(_random.Next(10, 40))) - TimeSpan.FromMicroseconds((shared.History.NowNs - began) / 1e3);
            if (rest > TimeSpan.Zero) await Task.Delay(rest, abort).ConfigureAwait(false);
        }
    }

    private Task<bool> StepAsync()
    {
        int choice = _random.Next(100);
        if (choice < 15) return PutAsync(shared.Keys.Own(number, ++_writes));
        (string key, SeenValue? seen) = shared.Keys.Take(_random);
        return choice switch
        {
            < 45 => GetAsync(key),
            < 75 => PutAsync(key),
            _ => CasAsync(key, seen),
        };
    }

    private async Task<bool> GetAsync(string key)
    {
        long call = shared.History.NowNs;
        HistoryOperation get = new(0, number, HistoryOp.Get, key, null, null, call, null, HistoryOutcome.Unknown, null);
        try
        {
            LedgerPage<LedgerEntry> page = await ledger.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Value, new LedgerKey("", key)), Deadline, _abort).ConfigureAwait(false);
            SeenValue? seen = Seen(page.Items.Count > 0 ? page.Items[0] : null);
            shared.Keys.Saw(key, seen);
            shared.History.Add(get with { ReturnNs = shared.History.NowNs, Outcome = HistoryOutcome.Ok, Output = seen?.Value });
            return true;
        }
        catch (Exception none) when (none is LedgerUnavailableException or OperationCanceledException)
        {
            shared.History.Add(get);
            return false;
        }
    }

    private Task<bool> PutAsync(string key)
    {
        string? value = key[0] == 'k' && _random.Next(20) == 0 ? null : NewValue();
        HistoryOperation put = new(0, number, HistoryOp.Put, key, value, null, 0, null, HistoryOutcome.Unknown, null);
        return WriteAsync(put, null);
    }

    private Task<bool> CasAsync(string key, SeenValue? seen)
    {
        HistoryOperation cas = new(0, number, HistoryOp.Cas, key, NewValue(), seen?.Value, 0, null, HistoryOutcome.Unknown, null);
        KeyExpectation expected = seen is null ? new KeyExpectation.Absent()
            : _random.Next(2) == 0 ? new KeyExpectation.OfVersion(seen.Version) : new KeyExpectation.OfValue(Encoding.UTF8.GetBytes(seen.Value));
        return WriteAsync(cas, expected);
    }

    private async Task<bool> WriteAsync(HistoryOperation write, KeyExpectation? expected)
    {
        ReadOnlyMemory<byte>? value = write.Value is null ? (ReadOnlyMemory<byte>?)null : Encoding.UTF8.GetBytes(write.Value);
        write = write with { CallNs = shared.History.NowNs };
        LedgerAnswer answer;
        try
        {
            answer = await ledger.AskAsync(new LedgerCommand.SetKey(write.Key, value, expected), Deadline, _abort).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            answer = new LedgerAnswer(LedgerCertainty.Unknown, null);
        }
        long returned = shared.History.NowNs;
        if (answer.Certainty == LedgerCertainty.Answered)
        {
            Answered(write with { ReturnNs = returned }, answer.Reply!);
            return true;
        }
        if (answer.Certainty == LedgerCertainty.Unknown) shared.History.Add(write);
        else if (write.Op == HistoryOp.Put) shared.History.Add(write with { ReturnNs = returned, Outcome = HistoryOutcome.Fail });
        else NotTaken++;
        return false;
    }

    private void Answered(HistoryOperation write, LedgerReply reply)
    {
        switch (reply.Outcome)
        {
            case LedgerOutcome.Ok:
                shared.Keys.Saw(write.Key, write.Value is null ? null : Seen(reply.Entry));
                shared.History.Add(write with { Outcome = HistoryOutcome.Ok });
                shared.Meter.Wrote(write.CallNs, write.ReturnNs!.Value);
                break;
            case LedgerOutcome.Mismatch when write.Op == HistoryOp.Cas:
                SeenValue? found = Seen(reply.Entry);
                shared.Keys.Saw(write.Key, found);
                shared.History.Add(write with { Outcome = HistoryOutcome.Fail, Output = found?.Value });
                break;
            default:
                throw new InvalidOperationException($"the ledger answered {reply.Outcome} to {write}: {reply.Message}");
        }
    }

    private string NewValue() => string.Create(CultureInfo.InvariantCulture, $"{number}.{++_writes}");

    private static SeenValue? Seen(LedgerEntry? entry) => entry is LedgerValue value ? new SeenValue(Encoding.UTF8.GetString(value.Value.Span), value.Version) : null;
}
