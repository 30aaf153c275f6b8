using System.Buffers;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;
using static Mesh30K.Consistency.Tests.Strong.Ledger.LedgerRun;

namespace Mesh30K.Consistency.Tests.Strong.Ledger;

public sealed class LedgerFormatTests
{
    private static readonly LedgerCommand[] Commands =
    [
        new Intend("ana", "k", Hash("a"), true, Hour), new Start("ana", "k", Hash("a"), true, Hour, "bob", Minute), new Start("ana", "l", Hash("a"), false, Hour, "bob", Minute),
        new Finish("ana", "k", 1, EffectReport.Done, Utf8("paid")), new Renew("ana", "l", 2, Hour), new Resolve("ana", "k", 1, EffectVerdict.Done, "zoe", "why", Utf8("x")),
        new AcquireLease("l", "ana", Minute), new RenewLease("l", 3, Minute), new ReleaseLease("x", 3), new RegisterMember("m", Utf8("data"), Minute), new RenewMember("m", 4, Hour),
        new RemoveMember("x", 4), new MarkSeen("s", "k", "ana", Hour), new SetKey("k", Utf8("v"), null), new SetKey("k", Utf8(""), new KeyExpectation.OfValue(Utf8("v"))),
        new SetKey("k", Utf8("w"), new KeyExpectation.OfVersion(2)), new SetKey("k", null, new KeyExpectation.Absent()), new Tick(), new Configure(new LedgerOptions { KeysMax = 7 }),
    ];

    [Fact]
    public void A_command_has_one_form_and_every_cut_or_longer_one_is_refused()
    {
        foreach (LedgerCommand command in Commands)
        {
            byte[] entry = Entry(command, new Instant(1_234_567));
            (LedgerCommand read, Instant at) = LedgerCodec.Decode(entry);
            Assert.Equal((command.GetType(), new Instant(1_234_567)), (read.GetType(), at));
            Assert.Equal(entry, Entry(read, at));
            for (int length = 0; length < entry.Length; length++) Assert.Throws<LedgerFormatException>(() => LedgerCodec.Decode(entry.AsSpan(0, length)));
            Assert.Throws<LedgerFormatException>(() => LedgerCodec.Decode([.. entry, 0]));
        }
    }

    /// <summary>Whatever a byte is changed to, what is read is refused, or is another command in its one form.</summary>
    [Fact]
    public void A_changed_byte_is_refused_or_reads_as_a_command_that_is_written_so()
    {
        foreach (LedgerCommand command in Commands)
        {
            byte[] entry = Entry(command, new Instant(1_234_567));
            for (int i = 0; i < entry.Length * 8; i++)
            {
                byte[] changed = [.. entry];
                changed[i / 8] ^= (byte)(1 << (i % 8));
                try
                {
                    (LedgerCommand read, Instant at) = LedgerCodec.Decode(changed);
                    Assert.Equal(changed, Entry(read, at));
                }
                catch (LedgerFormatException)
                {
                    // refused
                }
            }
        }
    }

    [Fact]
    public void A_snapshot_is_read_back_and_every_cut_or_longer_one_is_refused()
    {
        byte[] snapshot = Snapshot(Worked());
        Assert.Equal(snapshot, Snapshot(LedgerMachine.Restore(snapshot)));
        for (int length = 0; length < snapshot.Length; length++) Assert.Throws<LedgerFormatException>(() => LedgerMachine.Restore(snapshot.AsSpan(0, length)));
        Assert.Throws<LedgerFormatException>(() => LedgerMachine.Restore([.. snapshot, 0]));
    }

    /// <summary>A changed snapshot never makes a ledger that breaks an invariant later.</summary>
    [Fact]
    public void A_changed_snapshot_is_refused_or_makes_a_ledger_that_works()
    {
        byte[] snapshot = Snapshot(Worked());
        int refused = 0;
        for (int i = 0; i < snapshot.Length * 8; i++)
        {
            byte[] changed = [.. snapshot];
            changed[i / 8] ^= (byte)(1 << (i % 8));
            try
            {
                LedgerMachine machine = LedgerMachine.Restore(changed);
                Assert.Equal(changed, Snapshot(machine));
                foreach (LedgerCommand command in Commands) machine.Apply(command, machine.Now);
                machine.Apply(new Tick(), machine.NextDue ?? machine.Now);
            }
            catch (LedgerFormatException)
            {
                refused++;
            }
        }
        Assert.True(refused > snapshot.Length, $"{refused} of {snapshot.Length * 8} refused");
    }

    [Fact]
    public void An_empty_ledger_has_these_bytes()
    {
        Assert.Equal("01000000A08D06904E904EA0C21EA08D068080808001808092C3AFF2058080A7D392190000000000", Convert.ToHexString(Snapshot(new LedgerMachine())));
        ArrayBufferWriter<byte> tick = new();
        LedgerCodec.Encode(new Tick(), new Instant(300), tick);
        Assert.Equal("01AC020E", Convert.ToHexString(tick.WrittenSpan));
    }

    private static LedgerMachine Worked()
    {
        LedgerMachine machine = new();
        foreach (LedgerCommand command in Commands) machine.Apply(command, new Instant(1_234_567));
        machine.Apply(new Start("ana", "doubt", Hash("a"), false, Hour, "bob", TimeSpan.FromTicks(1)), machine.Now);
        machine.Apply(new Tick(), machine.Now + TimeSpan.FromTicks(1));
        Assert.Equal(EffectStatus.InDoubt, machine.FindEffect("ana", "doubt")!.Status);
        return machine;
    }
}
