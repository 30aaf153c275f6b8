using System.Buffers;
using System.Text;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Consistency.Tests.Strong.Ledger;

/// <summary>A ledger whose log time the test sets, fed through the codec. Each reply as a line: <c>Ok Executing 2</c>, with the epoch or version.</summary>
internal sealed class LedgerRun
{
    public LedgerMachine Machine { get; private set; } = new();

    public int Seconds { get; set; }

    public LedgerReply Last { get; private set; } = new(LedgerOutcome.Ok, null);

    public static TimeSpan Minute => TimeSpan.FromMinutes(1);

    public static TimeSpan Hour => TimeSpan.FromHours(1);

    public string Do(LedgerCommand command)
    {
        Last = Machine.Apply(Entry(command, Instant.FromUnixMs(1_000L * Seconds)));
        return $"{Last.Outcome} {Show(Last.Entry)}".Trim();
    }

    public string Intend(string key, string request = "pay", bool honours = false) => Do(new Intend("ana", key, Hash(request), honours, Hour));

    public string Start(string key, string executor, string request = "pay", bool honours = false) => Do(new Start("ana", key, Hash(request), honours, Hour, executor, Minute));

    public string Finish(string key, long epoch, EffectReport report = EffectReport.Done, string output = "") => Do(new Finish("ana", key, epoch, report, Utf8(output)));

    public string Resolve(string key, long epoch, EffectVerdict verdict, string output = "") => Do(new Resolve("ana", key, epoch, verdict, "zoe", "looked it up", Utf8(output)));

    public string Effect(string key) => Show(Machine.FindEffect("ana", key));

    /// <summary>The state goes through its bytes.</summary>
    public void Restart()
    {
        byte[] snapshot = Snapshot(Machine);
        Machine = LedgerMachine.Restore(snapshot);
        Assert.Equal(snapshot, Snapshot(Machine));
    }

    public static byte[] Entry(LedgerCommand command, Instant at)
    {
        ArrayBufferWriter<byte> bytes = new();
        LedgerCodec.Encode(command, at, bytes);
        return bytes.WrittenSpan.ToArray();
    }

    public static byte[] Snapshot(LedgerMachine machine)
    {
        ArrayBufferWriter<byte> bytes = new();
        machine.Snapshot(bytes);
        return bytes.WrittenSpan.ToArray();
    }

    public static PayloadHash Hash(string request) => PayloadHash.Of(Encoding.UTF8.GetBytes(request));

    public static ReadOnlyMemory<byte> Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static string Show(LedgerEntry? entry) => entry switch
    {
        LedgerEffect e => $"{e.Status} {e.Epoch} {Encoding.UTF8.GetString(e.Output.Span)}".Trim(),
        LedgerLease l => $"{l.Holder} {l.Epoch}",
        LedgerMember m => $"{m.Id.Name} {m.Epoch}",
        LedgerSeenKey s => s.Owner,
        LedgerValue v => $"{Encoding.UTF8.GetString(v.Value.Span)} {v.Version}",
        _ => "",
    };
}
