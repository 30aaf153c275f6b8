using System.Buffers;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Strong.Effects;

/// <summary>
/// A ledger as a group of one on a journal, which crashes at every point of a command's way: append, sync, apply, reply. What was synced survives; of what was
/// not, any beginning may. The journal's own faults are its own tests' matter.
/// </summary>
internal sealed class JournaledLedger(SimulatedFaults faults)
{
    private readonly List<byte[]> _entries = [];
    private byte[] _snapshot = Bytes(new LedgerMachine());
    private int _durable;
    private int _applied;

    public LedgerMachine Machine { get; private set; } = new();

    /// <summary>What was forgotten that had been applied; null when nothing ever was.</summary>
    public string? Violation { get; private set; }

    /// <summary>The reply; null when the caller does not learn it: the command was done or not.</summary>
    public LedgerReply? Ask(LedgerCommand command, Instant at)
    {
        if (faults.Happens("ledger_crash_before_append", 80)) return Crash();
        ArrayBufferWriter<byte> entry = new();
        LedgerCodec.Encode(command, at, entry);
        _entries.Add(entry.WrittenSpan.ToArray());
        if (faults.Happens("ledger_crash_before_sync", 80)) return Crash();
        _durable = _entries.Count;
        if (faults.Happens("ledger_crash_before_apply", 80)) return Crash();
        LedgerReply reply = Machine.Apply(entry.WrittenSpan);
        _applied = _entries.Count;
        if (faults.Happens("ledger_crash_before_reply", 80)) return Crash();
        if (_entries.Count >= 50) Compact();
        return faults.Happens("ledger_reply_lost", 30) ? null : reply;
    }

    private LedgerReply? Crash()
    {
        byte[] before = Bytes(Machine);
        int kept = _durable + faults.Random.Next(_entries.Count - _durable + 1);
        _entries.RemoveRange(kept, _entries.Count - kept);
        _durable = kept;
        Machine = LedgerMachine.Restore(_snapshot);
        for (int i = 0; i < kept; i++)
        {
            Machine.Apply(_entries[i]);
            if (i + 1 == _applied) Compare(before);
        }
        _applied = kept;
        return null;
    }

    private void Compare(byte[] before)
    {
        if (!Bytes(Machine).AsSpan().SequenceEqual(before)) Violation ??= "the ledger came back from its journal with another state than the one that it had applied";
    }

    private void Compact()
    {
        _snapshot = Bytes(Machine);
        _entries.Clear();
        _durable = _applied = 0;
    }

    private static byte[] Bytes(LedgerMachine machine)
    {
        ArrayBufferWriter<byte> bytes = new();
        machine.Snapshot(bytes);
        return bytes.WrittenSpan.ToArray();
    }
}
