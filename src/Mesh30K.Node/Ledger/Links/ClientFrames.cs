using System.Text.Json;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>Items between a client and a coordinator: docs/protocol/ledger-link.md. A kind's layout never changes: another layout is another kind.</summary>
internal static class ClientFrames
{
    /// <summary>The longest time that a client gives a request, in ms: an hour.</summary>
    internal const int DueMsMax = 3_600_000;

    internal enum Asked : byte
    {
        Ask = 1,
        Read = 2,
        Status = 3,
        Change = 4,
        Transfer = 5,
        Snapshot = 6,
    }

    internal enum Answered : byte
    {
        Reply = 1,
        Page = 2,
        Status = 3,
        Done = 4,
        Refused = 5,
    }

    internal static void Ask(long id, int dueMs, LedgerCommand command, LinkBuffer to)
    {
        to.Begin((byte)Asked.Ask).Number(id).Number(dueMs);
        LedgerCodec.Encode(command, default, to);
        to.End();
    }

    internal static void Read(long id, int dueMs, LedgerQuery query, LinkBuffer to)
    {
        to.Begin((byte)Asked.Read).Number(id).Number(dueMs);
        LedgerWire.Write(query, to);
        to.End();
    }

    internal static void Status(long id, int dueMs, LinkBuffer to) => to.Begin((byte)Asked.Status).Number(id).Number(dueMs).End();

    internal static void Snapshot(long id, int dueMs, LinkBuffer to) => to.Begin((byte)Asked.Snapshot).Number(id).Number(dueMs).End();

    internal static void Transfer(long id, int dueMs, ServerId server, LinkBuffer to) => to.Begin((byte)Asked.Transfer).Number(id).Number(dueMs).Number(server.Number).End();

    internal static void Change(long id, int dueMs, MemberStep step, ServerId server, ServerAddress? address, LinkBuffer to) =>
        to.Begin((byte)Asked.Change).Number(id).Number(dueMs).Number((long)step).Number(server.Number).Text(address?.Host).Number(address?.Port ?? 0).End();

    /// <summary>Reads what a client asks. Throws <see cref="LinkFormatException"/> or <see cref="LedgerFormatException"/>.</summary>
    internal static HostRequest ReadRequest(byte kind, LinkReader fields, ILedgerCaller caller, Instant now)
    {
        long id = fields.Number();
        Instant due = now + TimeSpan.FromMilliseconds(fields.Number(0, DueMsMax));
        HostRequest request;
        switch ((Asked)kind)
        {
            case Asked.Ask:
                return new HostRequest.Ask(caller, id, due, LedgerCodec.Decode(fields.Rest).Command);
            case Asked.Read:
                return new HostRequest.Read(caller, id, due, LedgerWire.ReadQuery(fields.Rest));
            case Asked.Status:
                request = new HostRequest.Status(caller, id, due);
                break;
            case Asked.Snapshot:
                request = new HostRequest.Snapshot(caller, id, due);
                break;
            case Asked.Transfer:
                request = new HostRequest.Transfer(caller, id, due, new ServerId(fields.Number(0, int.MaxValue)));
                break;
            case Asked.Change:
                request = ReadChange(caller, id, due, ref fields);
                break;
            default:
                throw new LinkFormatException($"a request of the unknown kind {kind}: of a newer mesh?");
        }
        fields.End();
        return request;
    }

    internal static void Reply(long id, LedgerReply reply, LinkBuffer to)
    {
        to.Begin((byte)Answered.Reply).Number(id);
        LedgerWire.Write(reply, to);
        to.End();
    }

    internal static void Page(long id, LedgerPage<LedgerEntry> page, LinkBuffer to)
    {
        to.Begin((byte)Answered.Page).Number(id);
        LedgerWire.Write(page, to);
        to.End();
    }

    internal static void Status(long id, CoordinatorStatus status, LinkBuffer to)
    {
        to.Begin((byte)Answered.Status).Number(id);
        using (Utf8JsonWriter json = new(to)) JsonSerializer.Serialize(json, status, GroupFileJson.Default.CoordinatorStatus);
        to.End();
    }

    internal static void Done(long id, LinkBuffer to) => to.Begin((byte)Answered.Done).Number(id).End();

    internal static void Refused(long id, LedgerRefusal refusal, LinkBuffer to) =>
        to.Begin((byte)Answered.Refused).Number(id).Number((long)refusal.Certainty).Number(refusal.Retry ? 1 : 0).Number(refusal.Leader.Number)
            .Text(refusal.Address?.Host).Number(refusal.Address?.Port ?? 0).Text(refusal.Why).End();

    /// <summary>Reads the rest of a refusal, behind its id.</summary>
    internal static LedgerRefusal ReadRefusal(ref LinkReader fields)
    {
        LedgerCertainty certainty = (LedgerCertainty)fields.Number((int)LedgerCertainty.NotTaken, (int)LedgerCertainty.Unknown);
        bool retry = fields.Number(0, 1) == 1;
        ServerId leader = new(fields.Number(0, int.MaxValue));
        ServerAddress? address = ReadAddress(ref fields);
        LedgerRefusal refusal = new(certainty, fields.Text(), retry, leader, address);
        fields.End();
        return refusal;
    }

    internal static CoordinatorStatus ReadStatus(ReadOnlySpan<byte> rest)
    {
        try
        {
            return JsonSerializer.Deserialize(rest, GroupFileJson.Default.CoordinatorStatus) ?? throw new LinkFormatException("a status that is none");
        }
        catch (JsonException wrong)
        {
            throw new LinkFormatException("a status of another version", wrong);
        }
    }

    private static HostRequest.Change ReadChange(ILedgerCaller caller, long id, Instant due, ref LinkReader fields)
    {
        MemberStep step = (MemberStep)fields.Number(0, (int)MemberStep.Remove);
        ServerId server = new(fields.Number(1, int.MaxValue));
        return new HostRequest.Change(caller, id, due, step, server, ReadAddress(ref fields));
    }

    private static ServerAddress? ReadAddress(ref LinkReader fields)
    {
        string host = fields.Text();
        int port = fields.Number(0, 65_535);
        if (host.Length == 0) return null;
        if (!ServerAddress.IsHost(host)) throw new LinkFormatException($"'{host}' is no host's name or address");
        return new ServerAddress(host, port);
    }
}
