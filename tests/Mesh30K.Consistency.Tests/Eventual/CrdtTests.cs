using Mesh30K.Consistency.Eventual;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Tests.Eventual;

/// <summary>What each type is for, as transcripts. The laws: CrdtLawsTests; that they would be missed: CrdtMutantTests.</summary>
public sealed class CrdtTests
{
    private static readonly ReplicaId Ana = ReplicaId.Parse("ana");
    private static readonly ReplicaId Bob = ReplicaId.Parse("bob");

    [Fact]
    public void A_concurrent_addition_wins_over_a_removal()
    {
        OrSet ana = new();
        ana.Add(Ana, "build");
        OrSet bob = ana.Clone();
        bob.Add(Bob, "build");
        ana.Remove("build");
        Assert.False(ana.Contains("build"));
        ana.Merge(bob);
        Assert.Equal(["build"], ana.Elements);
    }

    [Fact]
    public void A_removal_holds_against_the_old_addition_and_leaves_no_tombstone()
    {
        OrSet ana = new();
        OrSet added = ana.Add(Ana, "build");
        ana.Remove("build");
        ana.Merge(added);
        Assert.Empty(ana.Elements);
        Assert.Equal(new OrSet().Encode().Length + 5, ana.Encode().Length); // the writer's name and the number 1
    }

    [Fact]
    public void A_gap_in_what_was_seen_closes_when_the_missing_delta_comes()
    {
        (OrSet ana, OrSet bob) = (new(), new());
        OrSet first = ana.Add(Ana, "a");
        OrSet second = ana.Add(Ana, "b");
        bob.Merge(second);
        Assert.True(bob.HasSeen(new Dot(2, Ana)));
        Assert.False(bob.HasSeen(new Dot(1, Ana)));
        bob.Merge(first);
        Assert.Equal(ana.Encode(), bob.Encode());
    }

    [Fact]
    public void A_late_write_does_not_bring_back_what_was_dropped_as_stable()
    {
        (LwwMap ana, LwwMap bob) = (new(), new());
        LwwMap late = ana.Set("row", "old", new Hlc(1, 0, Ana));
        ana.Remove("row", new Hlc(2, 0, Ana));
        ana.Set("other", "stays", new Hlc(2, 1, Ana));
        bob.Merge(ana);
        Assert.Equal(1, ana.Tombstones);
        ana.DropStable(new Hlc(3, 0, Ana));
        Assert.Equal((1, 0), (ana.Count, ana.Tombstones));
        ana.Merge(late);
        ana.Merge(bob);
        Assert.Equal(["other"], ana.Entries.Select(e => e.Key));
        bob.Merge(ana);
        Assert.Equal(ana.Encode(), bob.Encode());
    }

    [Fact]
    public void A_write_at_or_below_the_floor_is_ignored()
    {
        LwwMap map = new();
        map.DropStable(new Hlc(5, 0, Ana));
        Assert.True(map.Set("row", "x", new Hlc(5, 0, Ana)).IsBottom);
        Assert.Null(map["row"]);
        map.Set("row", "y", new Hlc(5, 0, Bob));
        Assert.Equal("y", map["row"]);
    }

    [Fact]
    public void Two_values_under_one_timestamp_converge()
    {
        Hlc at = new(1, 0, Ana);
        (LwwRegister ana, LwwRegister bob) = (new(), new());
        LwwRegister a = ana.Set("x", at);
        LwwRegister b = bob.Set("y", at);
        ana.Merge(b);
        bob.Merge(a);
        Assert.Equal(("y", "y"), (ana.Value, bob.Value));
    }

    [Fact]
    public void A_later_fact_supersedes_and_the_earlier_one_stays()
    {
        (FactBase ana, FactBase bob) = (new(), new());
        ana.Add("billing", "owner", "team-a", new Hlc(1, 0, Ana));
        bob.Add("billing", "owner", "team-b", new Hlc(2, 0, Bob));
        ana.Merge(bob);
        Assert.Equal("team-b", ana.Current("billing", "owner")!.Value.Value);
        Assert.Equal(["team-a", "team-b"], ana.History("billing", "owner").Select(v => v.Value));
        Assert.Null(ana.Current("billing", "colour"));
    }

    [Fact]
    public void Maps_nest_and_join_key_by_key()
    {
        (CrdtMap<CrdtMap<GSet>> ana, CrdtMap<CrdtMap<GSet>> bob) = (new(), new());
        ana.Update("team", inner => inner.Update("members", s => s.Add("ana")));
        bob.Merge(bob.Update("team", inner => inner.Update("members", s => s.Add("bob"))));
        ana.Merge(bob);
        Assert.True(ana.TryGet("team", out CrdtMap<GSet>? team) && team.TryGet("members", out GSet? members) && members.Elements.SequenceEqual(["ana", "bob"]));
    }

    [Fact]
    public void A_mutation_that_does_nothing_leaves_no_key()
    {
        CrdtMap<OrSet> map = new();
        Assert.True(map.Update("k", s => s.Remove("x")).IsBottom);
        Assert.True(map.IsBottom);
    }

    [Fact]
    public void A_text_that_cannot_be_encoded_is_refused_before_anything_changes()
    {
        GSet set = new();
        Assert.Throws<ArgumentException>(() => set.Add("\uD800x"));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Add(new string('x', Crdt.TextCharsMax + 1)));
        set.Add("\U0001F600");
        set.Add(new string('€', Crdt.TextCharsMax));
        Assert.True(Crdt.TryDecode(set.Encode(), out GSet? read) && read.SameAs(set));
    }

    [Theory]
    [InlineData("")]
    [InlineData("4F")]
    [InlineData("47 01")]
    [InlineData("47 FF FF FF FF FF FF FF FF 7F")] // more elements than bytes
    [InlineData("47 01 81 00 61")] // a number that is not the shortest
    [InlineData("47 02 01 62 01 61")] // not sorted
    [InlineData("47 02 01 61 01 61")] // twice
    [InlineData("47 01 02 C3 28")] // not UTF-8
    [InlineData("47 01 03 ED A0 80")] // a surrogate
    [InlineData("47 00 00")] // more behind it
    public void Malformed_bytes_of_a_set_are_refused(string hex) => Assert.False(Crdt.TryDecode<GSet>(Bytes(hex), out _));

    [Theory]
    [InlineData("4F 01 00 01 61 00 00")] // number 0
    [InlineData("4F 00 01 01 01 61 00")] // the first dot in the cloud
    [InlineData("4F 00 00 01 01 78 01 01 01 61")] // an element whose dot was not seen
    [InlineData("4F 01 01 01 61 00 01 01 78 00")] // an element without a dot
    [InlineData("4F 02 01 01 61 01 01 61 00 00")] // a writer twice
    [InlineData("4F 01 01 02 61 20 00 00")] // no writer's name
    public void Malformed_bytes_of_an_add_wins_set_are_refused(string hex) => Assert.False(Crdt.TryDecode<OrSet>(Bytes(hex), out _));

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
}
