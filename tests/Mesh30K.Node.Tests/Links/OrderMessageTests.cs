using System.Buffers;
using System.Text;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Links;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Links;

public sealed class OrderMessageTests
{
    private static readonly AgentId Agent = new("edge-01.a_b:c");

    [Fact]
    public void What_an_agent_gets_is_the_order()
    {
        OperationOrder order = Orders.Of(7, """{"q":"how many?"}""", ttlMs: 30_000, collect: true);
        CoordinationMessage message = Decode(Bytes(OrderMessage.Of(order), Agent, 12.3456));
        Assert.Equal(OrderMessage.Of(order).Id, message.MessageId);
        Assert.Equal(order.OperationId.TimestampMs, message.MessageId.TimestampMs);
        Assert.Equal(order.Target, message.TargetArrivalTime);
        Assert.Equal(Verb.Decide, message.Verb);
        Assert.Equal("""{"q":"how many?"}""", message.Payload.ToString());
        Assert.True(message.PayloadHash!.Value.Matches(message.Payload.Utf8));
        Assert.Equal(30_000, message.TtlMs);
        Assert.True(message.Collect);
        Assert.Equal(new KeyValuePair<AgentId, double>(Agent, 12.346), Assert.Single(message.Compensation));
        Assert.Null(message.UnknownFields);
    }

    [Fact]
    public void Without_collect_the_field_is_left_out()
    {
        byte[] bytes = Bytes(OrderMessage.Of(Orders.Of(7)), Agent, 0);
        Assert.False(Decode(bytes).Collect);
        Assert.DoesNotContain("collect", Encoding.UTF8.GetString(bytes), StringComparison.Ordinal);
    }

    [Fact]
    public void The_compensation_stands_last_so_that_all_before_it_is_shared()
    {
        OrderMessage order = OrderMessage.Of(Orders.Of(7, """{"compensation":1}"""));
        string a = Encoding.UTF8.GetString(Bytes(order, new AgentId("a"), 1)), b = Encoding.UTF8.GetString(Bytes(order, new AgentId("b"), 2));
        int at = a.LastIndexOf("\"compensation\"", StringComparison.Ordinal);
        Assert.Equal(a[..at], b[..at]);
        Assert.Equal("""
            "compensation":{"a":1}}
            """, a[at..]);
    }

    [Fact]
    public void Of_one_order_there_is_one_message_and_another_phase_has_another_id()
    {
        OperationOrder order = Orders.Of(7);
        Assert.Same(OrderMessage.Of(order), OrderMessage.Of(order));
        Assert.Equal(OrderMessage.Of(order).Id, OrderMessage.Of(order with { Quota = 3 }).Id);
        Assert.NotEqual(OrderMessage.Of(order).Id, OrderMessage.Of(order with { Phase = 1 }).Id);
    }

    [Theory]
    [InlineData("{\n  \"a\": [1,\r\n 2]\n}\n", """{  "a": [1, 2]}""")]
    [InlineData("  \"a\\nb\"  ", "\"a\\nb\"")]
    [InlineData("not json", "\"not json\"")]
    [InlineData("two\nlines", "\"two\\nlines\"")]
    [InlineData("", "\"\"")]
    public void Payloads_lose_their_line_breaks_and_text_becomes_a_string(string payload, string onTheWire)
    {
        byte[] bytes = Bytes(OrderMessage.Of(Orders.Of(7, payload)), Agent, 1);
        Assert.DoesNotContain((byte)'\n', bytes);
        Assert.Equal(onTheWire, Decode(bytes).Payload.ToString());
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-3)]
    public void A_compensation_that_is_no_time_is_written_as_none(double leadMs) =>
        Assert.Equal(0, Decode(Bytes(OrderMessage.Of(Orders.Of(7)), Agent, leadMs)).Compensation[Agent]);

    /// <summary>Values around the limits, drawn with a seed that a failure prints: what is written is always read.</summary>
    [Fact]
    public void Whatever_the_order_the_codec_reads_it()
    {
        for (int seed = 0; seed < 2_000; seed++)
        {
            Random random = new(seed);
            int depth = random.Next(0, 50);
            string payload = random.Next(4) switch
            {
                0 => new string('[', depth) + new string(']', depth),
                1 => $"{{\"k{seed}\":\n\"{new string('é', random.Next(100))}\",\"n\":{random.NextDouble() * 1e300:R}}}",
                2 => new string((char)random.Next(1, 0xD800), random.Next(30)) + "\ud800",
                _ => "\t[ true ,\r\n null, \"\\u0000\\\"\" ]",
            };
            AgentId agent = new(new string("aZ9._:-"[random.Next(7)], random.Next(1, 129)));
            OperationOrder order = Orders.Of(random.NextInt64(), payload, random.NextDouble() * 86_400_000, random.Next(2) == 0);
            DecodeResult read = MeshCodec.Default.Decode(Bytes(OrderMessage.Of(order), agent, random.NextDouble() * Math.Pow(10, random.Next(-6, 9))));
            Assert.True(read.Message is CoordinationMessage, $"replay: seed {seed}: {read.Error}");
            Assert.Equal(agent, Assert.Single(((CoordinationMessage)read.Message!).Compensation).Key);
        }
    }

    internal static byte[] Bytes(OrderMessage message, AgentId agent, double leadMs)
    {
        ArrayBufferWriter<byte> output = new();
        message.WriteTo(output, agent, leadMs);
        Assert.InRange(output.WrittenCount, 1, message.BytesAbout + AgentId.LengthMax);
        return output.WrittenSpan.ToArray();
    }

    private static CoordinationMessage Decode(byte[] bytes)
    {
        DecodeResult result = MeshCodec.Default.Decode(bytes);
        return Assert.IsType<CoordinationMessage>(result.Message);
    }
}
