using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Tests.Identity;

public sealed class IdTests
{
    [Fact]
    public void A_message_id_goes_through_text_and_bytes_unchanged() =>
        Prop.ForAll<ulong, ulong>((high, low) =>
        {
            MessageId id = new(high, low);
            byte[] bytes = new byte[MessageId.BytesLength];
            id.WriteBytes(bytes);
            return MessageId.Parse(id.ToString()) == id && MessageId.ReadBytes(bytes) == id && id.ToString().Length == MessageId.TextLength;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Message_ids_sort_alike_as_value_text_and_bytes() =>
        Prop.ForAll<int, int>((seedA, seedB) =>
        {
            MessageId a = Samples.Id(new Random(seedA)), b = Samples.Id(new Random(seedB));
            byte[] bytesA = new byte[16], bytesB = new byte[16];
            a.WriteBytes(bytesA);
            b.WriteBytes(bytesB);
            int sign = Math.Sign(a.CompareTo(b));
            return sign == Math.Sign(string.CompareOrdinal(a.ToString(), b.ToString())) && sign == Math.Sign(bytesA.AsSpan().SequenceCompareTo(bytesB));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_vector_of_the_ulid_specification()
    {
        Assert.True(MessageId.TryParse("01ARZ3NDEKTSV4RRFFQ69G5FAV", out MessageId id));
        Assert.Equal(1469922850259, id.TimestampMs);
        Assert.Equal("01ARZ3NDEKTSV4RRFFQ69G5FAV", id.ToString());
        Assert.Equal("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", new MessageId(ulong.MaxValue, ulong.MaxValue).ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("01ARZ3NDEKTSV4RRFFQ69G5FA")]
    [InlineData("01ARZ3NDEKTSV4RRFFQ69G5FAVV")]
    [InlineData("01arz3ndektsv4rrffq69g5fav")]
    [InlineData("8ZZZZZZZZZZZZZZZZZZZZZZZZZ")]
    [InlineData("01ARZ3NDEKTSV4RRFFQ69G5FAI")]
    [InlineData("01ARZ3NDEKTSV4RRFFQ69G5FA漢")]
    public void What_is_no_message_id_is_refused(string text) => Assert.False(MessageId.TryParse(text, out _));

    [Fact]
    public void A_source_makes_ids_that_rise_in_one_millisecond_and_when_the_clock_steps_back()
    {
        MessageIdSource source = new(8841);
        Random random = new(8841);
        Instant now = Instant.FromUnixMs(1_700_000_000_000);
        MessageId last = default;
        for (int i = 0; i < 50_000; i++)
        {
            now = now.PlusMs(random.Next(100) == 0 ? -5 : random.NextDouble());
            MessageId id = source.Next(now);
            Assert.True(id > last);
            Assert.True(id.TimestampMs >= now.Ticks / Instant.TicksPerMs);
            last = id;
        }
    }

    [Fact]
    public void A_source_is_decided_by_its_seed_alone()
    {
        Instant now = Instant.FromUnixMs(1);
        Assert.Equal(new MessageIdSource(1).Next(now), new MessageIdSource(1).Next(now));
        Assert.NotEqual(new MessageIdSource(1).Next(now), new MessageIdSource(2).Next(now));
        Assert.Throws<ArgumentOutOfRangeException>(() => new MessageIdSource(1).Next(new Instant(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new MessageIdSource(new byte[15]));
    }

    [Theory]
    [InlineData("sector/0", 0)]
    [InlineData("sector/7", 7)]
    [InlineData("sector/999999", 999_999)]
    [InlineData("sector/", null)]
    [InlineData("sector/07", null)]
    [InlineData("sector/-1", null)]
    [InlineData("sector/1000000", null)]
    [InlineData("sector/99999999999999999999", null)]
    [InlineData("sector/7/", null)]
    [InlineData("Sector/7", null)]
    [InlineData("sector/7/cluster/4", null)]
    public void Sectors_have_one_text(string text, int? index)
    {
        Assert.Equal(index is not null, SectorId.TryParse(text, out SectorId id));
        if (index is not null) Assert.Equal(text, id.ToString());
        if (index is not null) Assert.Equal(index, id.Index);
    }

    [Theory]
    [InlineData("sector/7/cluster/4", 7, 4)]
    [InlineData("sector/999999/cluster/999999", 999_999, 999_999)]
    [InlineData("sector/7/cluster/", null, null)]
    [InlineData("sector/7/cluster/04", null, null)]
    [InlineData("sector/7cluster/4", null, null)]
    [InlineData("sector/7", null, null)]
    [InlineData("sector/7/cluster/4 ", null, null)]
    public void Clusters_have_one_text(string text, int? sector, int? index)
    {
        Assert.Equal(sector is not null, ClusterId.TryParse(text, out ClusterId id));
        if (sector is null) return;
        Assert.Equal(new ClusterId(sector.Value, index!.Value), id);
        Assert.Equal(text, id.ToString());
        byte[] utf8 = new byte[ClusterId.TextLengthMax];
        Assert.True(id.TryFormat(utf8, out int written, default, null));
        Assert.Equal(text, Encoding.UTF8.GetString(utf8, 0, written));
    }
}
