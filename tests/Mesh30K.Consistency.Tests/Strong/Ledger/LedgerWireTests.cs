using System.Buffers;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Consistency.Tests.Strong.Ledger;

/// <summary>Questions and answers over the wire: those that a ledger gives to random commands.</summary>
public sealed class LedgerWireTests
{
    [Fact]
    public void Each_reply_and_each_part_of_a_list_arrives_as_it_was()
    {
        HashSet<string> seen = [];
        for (int seed = 0; seed < 40; seed++)
        {
            Random random = new(seed);
            LedgerMachine machine = new();
            for (int step = 0; step < 60; step++)
            {
                LedgerReply reply = machine.Apply(Command(random), new Instant(step * TimeSpan.TicksPerSecond));
                byte[] bytes = Bytes(to => LedgerWire.Write(reply, to));
                LedgerReply read = LedgerWire.ReadReply(bytes);
                Assert.True((reply.Outcome, reply.Message) == (read.Outcome, read.Message) && Told(reply.Entry) == Told(read.Entry), $"seed {seed}, step {step}: {reply} came as {read}");
                seen.Add($"{reply.Outcome} {reply.Entry?.GetType().Name}");
                LedgerQuery.List query = new((LedgerEntryKind)random.Next(5), random.Next(2) == 0 ? null : (EffectStatus)random.Next(6), random.Next(2) == 0 ? null : new LedgerKey("p", "k3"), random.Next(1, 4));
                Assert.Equal(query, LedgerWire.ReadQuery(Bytes(to => LedgerWire.Write(query, to))));
                LedgerPage<LedgerEntry> page = machine.Look(query);
                LedgerPage<LedgerEntry> got = LedgerWire.ReadPage(Bytes(to => LedgerWire.Write(page, to)));
                Assert.Equal((page.Next, string.Join(';', page.Items.Select(Told))), (got.Next, string.Join(';', got.Items.Select(Told))));
            }
        }
        Assert.True(seen.Count >= 12, string.Join(", ", seen));
    }

    [Fact]
    public void A_question_for_one_entry_arrives()
    {
        LedgerQuery.Find find = new(LedgerEntryKind.Effect, new LedgerKey("ana", "pay/77 €"));
        Assert.Equal(find, LedgerWire.ReadQuery(Bytes(to => LedgerWire.Write(find, to))));
    }

    [Fact]
    public void Random_and_changed_bytes_are_read_or_refused_and_never_more()
    {
        LedgerMachine machine = new();
        LedgerReply reply = machine.Apply(new Start("ana", "pay", LedgerRun.Hash("x"), false, LedgerRun.Hour, "e1", LedgerRun.Minute), new Instant(5));
        byte[][] right =
        [
            Bytes(to => LedgerWire.Write(reply, to)), Bytes(to => LedgerWire.Write(machine.Look(new LedgerQuery.List(LedgerEntryKind.Effect)), to)),
            Bytes(to => LedgerWire.Write(new LedgerQuery.List(LedgerEntryKind.Lease, null, new LedgerKey("", "a"), 5), to)),
        ];
        int refused = 0;
        for (int seed = 0; seed < 20_000; seed++)
        {
            Random random = new(seed);
            int which = random.Next(3);
            byte[] bytes = [.. right[which]];
            if (random.Next(3) == 0) bytes = bytes[..random.Next(bytes.Length)];
            else if (random.Next(2) == 0) random.NextBytes(bytes.AsSpan(random.Next(bytes.Length)));
            else bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            try
            {
                object _ = which switch { 0 => LedgerWire.ReadReply(bytes), 1 => LedgerWire.ReadPage(bytes), _ => LedgerWire.ReadQuery(bytes) };
            }
            catch (LedgerFormatException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 8_000, 19_999);
    }

    private static string Told(LedgerEntry? entry) => entry switch
    {
        null => "nothing",
        LedgerEffect e => $"{e with { Output = default }} {Convert.ToHexString(e.Output.Span)}",
        LedgerMember e => $"{e with { Data = default }} {Convert.ToHexString(e.Data.Span)}",
        LedgerValue e => $"{e with { Value = default }} {Convert.ToHexString(e.Value.Span)}",
        _ => $"{entry}",
    };

    private static byte[] Bytes(Action<IBufferWriter<byte>> write)
    {
        ArrayBufferWriter<byte> to = new();
        write(to);
        return to.WrittenSpan.ToArray();
    }

    private static LedgerCommand Command(Random random)
    {
        string key = $"k{random.Next(5)}", who = $"w{random.Next(3)}";
        long epoch = random.Next(1, 20);
        byte[] bytes = new byte[random.Next(20)];
        random.NextBytes(bytes);
        return random.Next(12) switch
        {
            0 => new Intend("p", key, LedgerRun.Hash("r"), random.Next(2) == 0, LedgerRun.Hour),
            1 or 2 => new Start("p", key, LedgerRun.Hash("r"), random.Next(2) == 0, LedgerRun.Hour, who, TimeSpan.FromSeconds(random.Next(1, 20))),
            3 => new Finish("p", key, epoch, EffectReport.Done, bytes),
            4 => new Resolve("p", key, epoch, EffectVerdict.NotDone, who, "a note", default),
            5 or 6 => new AcquireLease(key, who, LedgerRun.Minute),
            7 => new RegisterMember(who, bytes, LedgerRun.Minute),
            8 => new MarkSeen("s", key, who, LedgerRun.Hour),
            9 => new RemoveMember(who, epoch),
            _ => new SetKey(key, bytes, random.Next(2) == 0 ? null : new KeyExpectation.Absent()),
        };
    }
}
