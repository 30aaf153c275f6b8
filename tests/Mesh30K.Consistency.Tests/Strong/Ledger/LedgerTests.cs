using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;
using static Mesh30K.Consistency.Tests.Strong.Ledger.LedgerRun;

namespace Mesh30K.Consistency.Tests.Strong.Ledger;

public sealed class LedgerTests
{
    [Fact]
    public void A_lease_has_one_holder_and_its_epochs_never_go_back()
    {
        LedgerRun run = new();
        Assert.Equal("Ok ana 1", run.Do(new AcquireLease("staging", "ana", Minute)));
        Assert.Equal("Ok ana 1", run.Do(new AcquireLease("staging", "ana", Minute)));
        Assert.Equal("Held ana 1", run.Do(new AcquireLease("staging", "bob", Minute)));
        run.Seconds = 30;
        Assert.Equal("Ok ana 1", run.Do(new RenewLease("staging", 1, Minute)));
        run.Seconds = 89;
        Assert.Equal("Held ana 1", run.Do(new AcquireLease("staging", "bob", Minute)));
        run.Seconds = 90;
        Assert.Equal("NotFound", run.Do(new RenewLease("staging", 1, Minute)));
        Assert.Equal("Ok bob 2", run.Do(new AcquireLease("staging", "bob", Minute)));
        Assert.Equal("Fenced bob 2", run.Do(new RenewLease("staging", 1, Minute)));
        Assert.Equal("Fenced bob 2", run.Do(new ReleaseLease("staging", 1)));
        Assert.Equal("Ok bob 2", run.Do(new ReleaseLease("staging", 2)));
        Assert.Equal("NotFound", run.Do(new ReleaseLease("staging", 2)));
        run.Restart();
        Assert.Equal("Ok ana 3", run.Do(new AcquireLease("staging", "ana", Minute)));
    }

    [Fact]
    public void A_member_stays_while_it_is_alive_and_a_new_life_fences_the_old_one()
    {
        LedgerRun run = new();
        Assert.Equal("Ok a 1", run.Do(new RegisterMember("a", Utf8("10.0.0.1"), Minute)));
        Assert.Equal("Ok b 2", run.Do(new RegisterMember("b", Utf8("10.0.0.2"), Minute)));
        Assert.Equal("Ok a 3", run.Do(new RegisterMember("a", Utf8("10.0.0.3"), Minute)));
        Assert.Equal("Fenced a 3", run.Do(new RenewMember("a", 1, Minute)));
        run.Seconds = 59;
        Assert.Equal("Ok a 3", run.Do(new RenewMember("a", 3, Minute)));
        run.Seconds = 60;
        run.Do(new Tick());
        Assert.Equal(["a"], run.Machine.ListMembers().Items.Select(m => m.Id.Name));
        Assert.Equal("Fenced a 3", run.Do(new RemoveMember("a", 2)));
        Assert.Equal("Ok a 3", run.Do(new RemoveMember("a", 3)));
        Assert.Equal("NotFound", run.Do(new RenewMember("a", 3, Minute)));
    }

    [Fact]
    public void The_first_owner_of_a_key_has_the_task_until_its_retention_ends()
    {
        LedgerRun run = new();
        Assert.Equal("Ok ana", run.Do(new MarkSeen("tasks", "build 7", "ana", Hour)));
        Assert.Equal("Seen ana", run.Do(new MarkSeen("tasks", "build 7", "bob", Hour)));
        Assert.Equal("Ok ana", run.Do(new MarkSeen("tasks", "build 7", "ana", Hour)));
        Assert.Equal("Ok bob", run.Do(new MarkSeen("mails", "build 7", "bob", Hour)));
        run.Seconds = 3_600;
        Assert.Equal("Ok bob", run.Do(new MarkSeen("tasks", "build 7", "bob", Hour)));
    }

    [Fact]
    public void A_value_is_set_only_over_what_was_expected()
    {
        LedgerRun run = new();
        Assert.Equal("Ok 11 1", run.Do(new SetKey("release", Utf8("11"), new KeyExpectation.Absent())));
        Assert.Equal("Mismatch 11 1", run.Do(new SetKey("release", Utf8("12"), new KeyExpectation.Absent())));
        Assert.Equal("Ok 12 2", run.Do(new SetKey("release", Utf8("12"), new KeyExpectation.OfValue(Utf8("11")))));
        Assert.Equal("Mismatch 12 2", run.Do(new SetKey("release", Utf8("13"), new KeyExpectation.OfVersion(1))));
        Assert.Equal("Ok 11 3", run.Do(new SetKey("release", Utf8("11"), new KeyExpectation.OfVersion(2))));
        Assert.Equal("Mismatch", run.Do(new SetKey("other", Utf8("1"), new KeyExpectation.OfValue(default))));
        Assert.Equal("Ok 11 3", run.Do(new SetKey("release", null, new KeyExpectation.OfVersion(3))));
        Assert.Equal("Ok", run.Do(new SetKey("release", null, null)));
        Assert.Equal("Ok 1 4", run.Do(new SetKey("release", Utf8("1"), null)));
    }

    [Fact]
    public void Each_kind_has_its_bound()
    {
        LedgerRun run = new();
        run.Do(new Configure(new LedgerOptions { EffectsMax = 0, LeasesMax = 0, MembersMax = 0, SeenMax = 0, KeysMax = 0 }));
        Assert.Equal("Full", run.Start("k", "bob"));
        Assert.Equal("Full", run.Do(new AcquireLease("l", "bob", Minute)));
        Assert.Equal("Full", run.Do(new RegisterMember("m", default, Minute)));
        Assert.Equal("Full", run.Do(new MarkSeen("s", "k", "o", Minute)));
        Assert.Equal("Full", run.Do(new SetKey("k", default(ReadOnlyMemory<byte>), null)));
        run.Do(new Configure(new LedgerOptions()));
        Assert.Equal("Ok Executing 1", run.Start("k", "bob")); // what was refused has used up no epoch
    }

    [Fact]
    public void A_field_that_is_wrong_is_a_reply_and_cannot_be_encoded()
    {
        LedgerMachine machine = new();
        string long257 = new('x', 257);
        LedgerCommand[] wrong =
        [
            new Intend("", "k", default, false, Hour), new Intend("p", " ", default, false, Hour), new Intend(long257, "k", default, false, Hour), new Intend("p", "a\nb", default, false, Hour),
            new Intend("p", "\ud800", default, false, Hour), new Intend("p", "k", default, false, TimeSpan.Zero), new Intend("p", "k", default, false, TimeSpan.FromDays(366)),
            new Start("p", "k", default, false, Hour, "", Minute), new Start("p", "k", default, false, Hour, "e", -Minute),
            new Finish("p", "k", 0, EffectReport.Done, default), new Finish("p", "k", 1, (EffectReport)9, default), new Finish("p", "k", 1, EffectReport.NotRun, Utf8("x")),
            new Finish("p", "k", 1, EffectReport.Done, new byte[65_537]), new Renew("p", "k", -1, Minute),
            new Resolve("p", "k", 0, EffectVerdict.Done, "zoe", "", default), new Resolve("p", "k", 1, EffectVerdict.Done, "", "", default),
            new Resolve("p", "k", 1, EffectVerdict.Done, "zoe", new string('n', 1_025), default), new Resolve("p", "k", 1, EffectVerdict.Abandon, "zoe", "", Utf8("x")),
            new AcquireLease("l", "", Minute), new RenewLease("l", 0, Minute), new ReleaseLease("", 1), new RegisterMember("m", new byte[4_097], Minute), new RenewMember("m", 1, TimeSpan.Zero), new RemoveMember("m", 0),
            new MarkSeen("", "k", "o", Hour), new SetKey("k", new byte[65_537], null), new SetKey("k", null, new KeyExpectation.OfVersion(0)), new SetKey("k", null, new KeyExpectation.OfValue(new byte[65_537])),
            new Configure(new LedgerOptions { KeysMax = -1 }), new Configure(new LedgerOptions { BytesMax = -1 }), new Configure(new LedgerOptions { LeaseMax = TimeSpan.Zero }),
        ];
        byte[] empty = Snapshot(machine);
        foreach (LedgerCommand command in wrong)
        {
            LedgerReply reply = machine.Apply(command, default);
            Assert.True(reply is { Outcome: LedgerOutcome.Invalid, Entry: null, Message.Length: > 0 }, command.ToString());
            Assert.Throws<ArgumentException>(() => Entry(command, default));
        }
        Assert.Equal(empty, Snapshot(machine));
        Assert.Throws<ArgumentOutOfRangeException>(() => machine.Apply(new Tick(), new Instant(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => machine.Apply(new Tick(), Instant.MaxValue));
    }
}
