using System.Buffers;
using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol;

namespace Mesh30K.Node.Ledger.Group;

public sealed partial class RaftHost
{
    /// <summary>Images of snapshots: the one that the journal holds, one that is made or sent, one that arrives.</summary>
    private const int ImagesMax = 3;

    private readonly SortedDictionary<long, ReadOnlyMemory<byte>> _images = [];
    private readonly Queue<(long After, RaftMessage Message)> _held = new();
    private LedgerMachine _ledger = new();
    private byte[] _parts = [];
    private long _durable;
    private long _applied;
    private volatile Dictionary<int, ServerAddress> _added = [];

    /// <summary>Where servers are that were added after the group began, as far as this one has applied. Any thread.</summary>
    internal IReadOnlyDictionary<int, ServerAddress> Added => _added;

    private void Step(RaftInput input)
    {
        for (RaftInput? next = input; next is not null; next = CarryOut()) _machine.Step(next, Now, _effects);
    }

    /// <summary>Carries the effects out in their order; gives the next input when the ledger has taken entries.</summary>
    private RaftInput? CarryOut()
    {
        long before = _applied;
        IReadOnlyList<RaftEffect> list = _effects.List;
        for (int i = 0; i < list.Count; i++) CarryOut(list[i]);
        _effects.Clear();
        return _applied > before ? new RaftInput.Applied(_applied) : null;
    }

    private void CarryOut(RaftEffect effect)
    {
        switch (effect)
        {
            case RaftEffect.Persist { Change: RaftChange.Compact compact } persist:
                _journal.Compact(persist.Sequence, compact, _images[compact.Snapshot.At.Index]);
                break;
            case RaftEffect.Persist persist:
                _journal.Persist(persist.Sequence, persist.Change);
                break;
            case RaftEffect.Send send:
                SendAfter(send.After, send.Message);
                break;
            case RaftEffect.SendChunk send:
                // Cut out now: the image may be gone when the journal has caught up.
                if (_images.TryGetValue(send.Message.Meta.At.Index, out ReadOnlyMemory<byte> image) && image.Length == send.Message.Meta.Bytes)
                    SendAfter(send.After, send.Message with { Data = image.Slice((int)send.Message.Offset, send.Bytes) });
                break;
            case RaftEffect.Apply apply:
                foreach (RaftEntry entry in apply.Entries) Apply(entry);
                break;
            case RaftEffect.KeepChunk keep:
                Keep(keep);
                break;
            case RaftEffect.Restore restore:
                RestoreFrom(restore.Meta.At.Index);
                LosePendingUpTo(restore.Meta.At.Index);
                break;
            case RaftEffect.MakeSnapshot:
                MakeSnapshot();
                break;
            case RaftEffect.ReadReady ready:
                AnswerReads(ready.Id);
                break;
            case RaftEffect.Accepted accepted:
                Accepted(accepted);
                break;
            case RaftEffect.Refused refused:
                Refused(refused);
                break;
            default:
                throw new InvalidOperationException($"an effect that this host does not know: {effect.GetType().Name}");
        }
    }

    private void SendAfter(long after, RaftMessage message)
    {
        if (after <= _durable) _transport.Send(message);
        else if (_held.Count < _options.MessagesMax) _held.Enqueue((after, message));
        else Interlocked.Increment(ref _dropped);
    }

    private void SendHeld()
    {
        while (_held.TryPeek(out (long After, RaftMessage Message) first) && first.After <= _durable)
        {
            _held.Dequeue();
            _transport.Send(first.Message);
        }
    }

    private void Apply(RaftEntry entry)
    {
        Invariant.Check(entry.Index == _applied + 1);
        LedgerReply? reply = null;
        if (entry.Kind == RaftEntryKind.Command)
        {
            (LedgerCommand command, Protocol.Identity.Instant at) = LedgerCodec.Decode(entry.Payload.Span);
            reply = _ledger.Apply(command, at);
            if (command is LedgerCommand.SetKey set && set.Key.StartsWith(AddressPrefix, StringComparison.Ordinal)) FindAddresses();
        }
        _applied = entry.Index;
        AnswerPending(entry, reply);
    }

    private void Keep(RaftEffect.KeepChunk keep)
    {
        if (keep.Offset == 0) _parts = new byte[keep.Meta.Bytes];
        keep.Data.CopyTo(_parts.AsMemory((int)keep.Offset));
        if (keep.Offset + keep.Data.Length < keep.Meta.Bytes) return;
        KeepImage(keep.Meta.At.Index, _parts);
        _parts = [];
    }

    private void KeepImage(long index, ReadOnlyMemory<byte> image)
    {
        _images[index] = image;
        while (_images.Count > ImagesMax) _images.Remove(_images.Keys.First());
    }

    private void RestoreFrom(long index)
    {
        ReadOnlyMemory<byte> image = _images[index];
        _ledger = image.Length == 0 ? new LedgerMachine() : LedgerMachine.Restore(image.Span);
        _applied = index;
        FindAddresses();
    }

    /// <summary>Copies what the ledger is; another thread makes bytes of it while rounds go on.</summary>
    private void MakeSnapshot()
    {
        _snapshotAsked = true;
        long index = _applied;
        LedgerImage frozen = _ledger.Freeze();
        ThreadPool.UnsafeQueueUserWorkItem(
            _ =>
            {
                try
                {
                    ArrayBufferWriter<byte> bytes = new();
                    frozen.Write(bytes);
                    byte[] image = bytes.WrittenSpan.ToArray();
                    WakeAfter(() => _made = (index, image));
                }
                catch (Exception error)
                {
                    Fail(error); // out of memory, or a bug: nothing more is promised
                }
            },
            null);
    }

    private void TakeImage((long Index, byte[] Image) made)
    {
        _snapshotAsked = false;
        if (made.Index > _machine.Snapshot.At.Index) KeepImage(made.Index, made.Image);
        Step(new RaftInput.SnapshotMade(made.Index, made.Image.Length));
        foreach (HostRequest.Snapshot asked in _snapshotsAsked) asked.Caller.Done(asked.Id);
        foreach (HostRequest.Snapshot asked in _snapshotsAsked) Touch(asked.Caller);
        _snapshotsAsked.Clear();
    }

    private void FindAddresses()
    {
        Dictionary<int, ServerAddress> added = [];
        LedgerKey? after = new LedgerKey("", AddressPrefix);
        while (after is not null)
        {
            LedgerPage<LedgerValue> page = _ledger.ListValues(after, LedgerLimits.PageMax);
            foreach (LedgerValue value in page.Items)
            {
                if (!value.Id.Name.StartsWith(AddressPrefix, StringComparison.Ordinal))
                {
                    _added = added;
                    return;
                }
                if (AddressOf(value) is { } known) added[known.Number] = known.Address;
            }
            after = page.Next;
        }
        _added = added;
    }

    private static (int Number, ServerAddress Address)? AddressOf(LedgerValue value)
    {
        string text = Encoding.UTF8.GetString(value.Value.Span);
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port)) return null;
        return int.TryParse(value.Id.Name.AsSpan(AddressPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? (number, new ServerAddress(text[..colon], port)) : null;
    }
}
