using System.Text;
using Mesh30K.Simulation.Strong;

namespace Mesh30K.Simulation.Tests.Strong;

public sealed class HistoryReaderTests
{
    private const string Get = """{"client":1,"op":"get","key":"x","value":null,"expected":null,"call":5,"return":9,"outcome":"ok","output":"1"}""";

    [Fact]
    public void A_line_is_read_as_it_is_documented()
    {
        Assert.Equal(new HistoryOperation(7, 1, HistoryOp.Get, "x", null, null, 5, 9, HistoryOutcome.Ok, "1"), Read(Get));
        Assert.Equal(new HistoryOperation(7, 2, HistoryOp.Put, "x", "1", null, -5, null, HistoryOutcome.Unknown, null), Read("""{"client":2,"op":"put","key":"x","value":"1","call":-5,"outcome":"unknown"}"""));
        Assert.Equal(new HistoryOperation(7, 2, HistoryOp.Cas, "x", "1", null, 5, 5, HistoryOutcome.Fail, "3"),
            Read("""{"client":2,"op":"cas","key":"x","value":"1","expected":null,"call":5,"return":5,"outcome":"fail","output":"3"}""" + "\r"));
        Assert.Null(Read(" "));
        foreach (HistoryOperation made in Histories.Random(new Random(3), 200, 4, 3, 3, 20)) Assert.Equal(made, HistoryReader.ReadLine(Histories.Line(made), made.Line));
    }

    [Theory]
    [InlineData("get", "is no JSON: ")]
    [InlineData("[1]", "is no JSON object")]
    [InlineData("{}", "lacks client, op, key, call, outcome")]
    [InlineData("""{"client":1,"client":1}""", "is no JSON: ")]
    [InlineData("""{"node":1}""", "has the field \"node\", which the format does not know")]
    [InlineData("""{"client":1.5}""", "client is no whole number of 64 bits")]
    [InlineData("""{"client":"1"}""", "client is no whole number of 64 bits")]
    [InlineData("""{"call":99999999999999999999}""", "call is no whole number of 64 bits")]
    [InlineData("""{"op":"GET"}""", "op is \"GET\"; it has to be get, put, cas")]
    [InlineData("""{"outcome":null}""", "outcome is \"null\"; it has to be ok, fail, unknown")]
    [InlineData("""{"key":null}""", "key is null")]
    [InlineData("""{"value":1}""", "value is no string")]
    [InlineData("""{"value":"\ud800"}""", "value is no text of Unicode")]
    public void Bad_input_is_named(string line, string message) =>
        Assert.StartsWith("line 7: " + message, Assert.Throws<HistoryFormatException>(() => Read(line)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("\"return\":9", "\"return\":4", "return 4 is before call 5")]
    [InlineData("\"return\":9", "\"return\":null", "return is null, so the outcome is unknown")]
    [InlineData("\"value\":null", "\"value\":\"1\"", "a get has no value")]
    [InlineData("\"expected\":null", "\"expected\":\"1\"", "only a cas has expected")]
    [InlineData("\"ok\"", "\"unknown\"", "output is what a get that is ok read")]
    [InlineData("\"get\"", "\"put\"", "output is what a get that is ok read")]
    [InlineData("\"op\":\"get\",\"key\":\"x\",\"value\":null,\"expected\":null", "\"op\":\"cas\",\"key\":\"x\",\"value\":\"2\",\"expected\":\"1\"", "output is what a get that is ok read")]
    [InlineData("\"op\":\"get\",\"key\":\"x\",\"value\":null,\"expected\":null,\"call\":5,\"return\":9,\"outcome\":\"ok\"",
        "\"op\":\"cas\",\"key\":\"x\",\"value\":\"2\",\"expected\":\"1\",\"call\":5,\"return\":9,\"outcome\":\"fail\"", "a cas does not fail on the value that it expected")]
    public void Fields_that_contradict_each_other_are_named(string replace, string by, string message) =>
        Assert.StartsWith("line 7: " + message, Assert.Throws<HistoryFormatException>(() => Read(Get.Replace(replace, by, StringComparison.Ordinal))).Message, StringComparison.Ordinal);

    private static HistoryOperation? Read(string line) => HistoryReader.ReadLine(Encoding.UTF8.GetBytes(line), 7);
}
