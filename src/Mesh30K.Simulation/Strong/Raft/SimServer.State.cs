using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Protocol;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>Its state machine, the images of it, and the clients that wait for it.</summary>
internal sealed partial class SimServer
{
    private const int ImagesMax = 3;

    private readonly SimStateMachine _state = new(plan.ImagePadding);
    private readonly Queue<(RaftEffect Effect, byte[]? Image)> _toApply = new();
    private readonly SortedDictionary<long, byte[]> _images = [];
    private readonly Dictionary<long, ClientRequest> _asked = [];
    private readonly Dictionary<long, (long Term, ClientRequest Request)> _promised = [];
    private readonly Dictionary<long, (long Began, ClientRequest Request)> _reads = [];
    private SnapshotMeta? _incoming;
    private byte[] _parts = [];
    private int _partBytes;
    private long _commit;

    private void StartState(RaftDurable durable)
    {
        _images.Clear();
        if (durable.Snapshot.At.Index > 0) KeepImage(durable.Image.ToArray());
        else _images[0] = [];
        Restore(_images[durable.Snapshot.At.Index]);
        _commit = durable.Snapshot.At.Index;
    }

    private void ForgetState()
    {
        _toApply.Clear();
        _asked.Clear();
        _promised.Clear();
        _reads.Clear();
        _incoming = null;
    }

    private void Ask(ClientRequest request)
    {
        long asked = group.NextRequest();
        if (request.Command is null)
        {
            _reads.Add(asked, (world.Checker.SeenIndex, request));
            Step(new RaftInput.Read(asked));
            return;
        }
        ReadOnlyMemory<byte>[] payloads = new ReadOnlyMemory<byte>[1 + request.Beside];
        payloads[0] = Encoded(request.Command);
        for (int i = 1; i < payloads.Length; i++) payloads[i] = Encoded(new LedgerCommand.SetKey("beside", new byte[_random.Next(50)], null));
        _asked.Add(asked, request);
        Step(new RaftInput.Propose(asked, payloads));
    }

    private byte[] Encoded(LedgerCommand command)
    {
        System.Buffers.ArrayBufferWriter<byte> bytes = new();
        LedgerCodec.Encode(command, LocalNow, bytes);
        return bytes.WrittenSpan.ToArray();
    }

    private void Accepted(RaftEffect.Accepted accepted)
    {
        if (!_asked.Remove(accepted.Id, out ClientRequest? request)) return;
        Promised(accepted.First.Index, 0); // whatever was promised there before is lost
        _promised[accepted.First.Index] = (accepted.First.Term, request);
    }

    private void Refused(RaftEffect.Refused refused)
    {
        if (_reads.Remove(refused.Id, out (long Began, ClientRequest Request) read)) Tell(read.Request, ClientAnswer.NotTaken, refused.Leader);
        if (_asked.Remove(refused.Id, out ClientRequest? asked)) Tell(asked, ClientAnswer.NotTaken, refused.Leader);
    }

    private void ReadReady(RaftEffect.ReadReady ready)
    {
        _reads.Remove(ready.Id, out (long Began, ClientRequest Request) read);
        Invariant.Check(_state.Index >= ready.Index);
        world.Checker.Reads(id, read.Began, _state.Index, world.Now);
        Tell(read.Request, ClientAnswer.Done, ServerId.None, output: SimClient.ValueOf(_state.Ledger.FindValue(read.Request.Key)));
    }

    private void Tell(ClientRequest to, ClientAnswer answer, ServerId leader, LedgerReply? reply = null, string? output = null) =>
        group.Network.TryReach("reply", at => world.Schedule(at, SimEventKind.Client, null, () => to.Client.Answered(to.Attempt, answer, leader, reply, output)));

    private void EnqueueState(RaftEffect effect)
    {
        _toApply.Enqueue((effect, effect is RaftEffect.Restore restore ? _images[restore.Meta.At.Index] : null));
        if (_toApply.Count == 1) world.Schedule(world.Now + _random.Ms(0.01, 2), SimEventKind.Applied, this);
    }

    private void AppliedFirst()
    {
        (RaftEffect first, byte[]? image) = _toApply.Dequeue();
        if (image is not null) Restore(image);
        else foreach (RaftEntry entry in ((RaftEffect.Apply)first).Entries) Apply(entry);
        if (_toApply.Count > 0) world.Schedule(world.Now + _random.Ms(0.01, 2), SimEventKind.Applied, this);
        Step(new RaftInput.Applied(_state.Index));
    }

    private void Apply(RaftEntry entry)
    {
        LedgerReply? reply = _state.Apply(entry);
        world.Checker.Applies(id, _state.Index, _state.Chain);
        Promised(entry.Index, entry.Term, reply);
    }

    /// <summary>What was promised there is done when the entry is of the term that it was promised for; else it is lost.</summary>
    private void Promised(long index, long term, LedgerReply? reply = null)
    {
        if (!_promised.Remove(index, out (long Term, ClientRequest Request) promised)) return;
        if (promised.Term != term)
        {
            Tell(promised.Request, ClientAnswer.NotTaken, ServerId.None);
            return;
        }
        world.Checker.Acknowledges(id, new LogPlace(index, term));
        Tell(promised.Request, ClientAnswer.Done, ServerId.None, reply);
    }

    private void Restore(byte[] image)
    {
        _state.Restore(image);
        world.Checker.Applies(id, _state.Index, _state.Chain);
    }

    /// <summary>Parts come in order and without gaps, and all of one snapshot.</summary>
    private void Keep(RaftEffect.KeepChunk keep)
    {
        if (keep.Offset == 0) (_incoming, _parts, _partBytes) = (keep.Meta, new byte[keep.Meta.Bytes], 0);
        RuleBook.Require(keep.Meta.At == _incoming?.At && keep.Offset == _partBytes, "parts are in order", $"{id} keeps the part at {keep.Offset} of {keep.Meta.At} after {_partBytes} bytes of {_incoming?.At}");
        keep.Data.CopyTo(_parts.AsMemory((int)keep.Offset));
        _partBytes += keep.Data.Length;
        if (_partBytes == keep.Meta.Bytes) KeepImage(_parts);
    }

    private void Imaged(byte[] image)
    {
        KeepImage(image);
        Step(new RaftInput.SnapshotMade(SimStateMachine.IndexOf(image), image.Length));
    }

    private void KeepImage(byte[] image)
    {
        group.Rules.HasImage(id, image);
        _images[SimStateMachine.IndexOf(image)] = image;
        if (_images.Count > ImagesMax) _images.Remove(_images.Keys.First());
    }
}
