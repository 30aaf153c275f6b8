using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Tests.Json;

public sealed class MeshCodecTests
{
    private const string Id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    private const string Ack =
        """{"type":"ACK","message_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","agent_id":"a7","trinary_state":1,"actual_arrival_time":"2026-01-02T03:04:05Z","processing_time_ms":12.5}""";

    [Theory]
    [InlineData(MessageType.Message)]
    [InlineData(MessageType.Heartbeat)]
    [InlineData(MessageType.Coordinate)]
    [InlineData(MessageType.Ack)]
    [InlineData(MessageType.Circuit)]
    [InlineData(MessageType.Freeze)]
    [InlineData(MessageType.ClusterSummary)]
    [InlineData(MessageType.SectorSummary)]
    [InlineData(MessageType.GlobalStats)]
    [InlineData(MessageType.Hello)]
    [InlineData(MessageType.Challenge)]
    [InlineData(MessageType.Proof)]
    [InlineData(MessageType.Welcome)]
    [InlineData(MessageType.Refused)]
    [InlineData(MessageType.Bye)]
    [InlineData(MessageType.Cancel)]
    [InlineData(MessageType.Clock)]
    [InlineData(MessageType.Thaw)]
    [InlineData(MessageType.Rotate)]
    [InlineData(MessageType.Rotated)]
    [InlineData(MessageType.MeshKey)]
    public void Every_message_comes_back_as_it_went(MessageType type) =>
        Prop.ForAll<int>(seed =>
        {
            WireMessage sent = Samples.Message(type, seed);
            byte[] bytes = MeshCodec.Default.Encode(sent);
            DecodeResult result = MeshCodec.Default.Decode(bytes);
            Assert.True(result.IsMessage, $"{result.Error} in {Encoding.UTF8.GetString(bytes)}");
            Assert.Equal(Content.Of(sent), Content.Of(result.Message));
            Assert.Equal(bytes, MeshCodec.Default.Encode(result.Message));
            if (result.Message is MeshMessage mesh) Assert.True(mesh.PayloadIsIntact());
        }).QuickCheckThrowOnFailure();

    /// <summary>Cut off, changed, doubled, random: 20,000 of them, the seed is in the message of a failure.</summary>
    [Fact]
    public void Whatever_the_bytes_nothing_is_thrown()
    {
        Random random = new(8841);
        int messages = 0;
        for (int seed = 0; seed < 20_000; seed++)
        {
            byte[] bytes = Damaged(MeshCodec.Default.Encode(Samples.Message((MessageType)(seed % Enum.GetValues<MessageType>().Length), seed)), random);
            Exception? thrown = Record.Exception(() => MeshCodec.Default.Decode(bytes));
            Assert.True(thrown is null, $"replay: seed {seed}: {thrown}");
            DecodeResult result = MeshCodec.Default.Decode(bytes);
            if (!result.IsMessage) continue;
            messages++;
            Assert.True(MeshCodec.Default.Decode(MeshCodec.Default.Encode(result.Message)).IsMessage, $"replay: seed {seed}");
        }
        Assert.InRange(messages, 100, 19_000);
    }

    private static byte[] Damaged(byte[] bytes, Random random)
    {
        switch (random.Next(5))
        {
            case 0:
                return bytes[..random.Next(bytes.Length)];
            case 1:
                for (int i = random.Next(4); i >= 0; i--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                return bytes;
            case 2:
                for (int i = random.Next(3); i >= 0; i--) bytes[random.Next(bytes.Length)] = (byte)"{}[]\",:0-e\\u"[random.Next(12)];
                return bytes;
            case 3:
                int from = random.Next(bytes.Length), to = random.Next(from, bytes.Length);
                return [.. bytes[..to], .. bytes[from..]];
            default:
                byte[] noise = new byte[random.Next(300)];
                random.NextBytes(noise);
                return random.Next(2) == 0 ? noise : [.. bytes, .. noise];
        }
    }

    [Theory]
    [InlineData("", DecodeErrorCode.NotJson, "$")]
    [InlineData("   ", DecodeErrorCode.NotJson, "$")]
    [InlineData("[]", DecodeErrorCode.NotAnObject, "$")]
    [InlineData("null", DecodeErrorCode.NotAnObject, "$")]
    [InlineData("{", DecodeErrorCode.NotJson, "$")]
    [InlineData("{} {}", DecodeErrorCode.NotJson, "$")]
    [InlineData("{/*c*/}", DecodeErrorCode.NotJson, "$")]
    [InlineData("{}", DecodeErrorCode.MissingField, "$")]
    [InlineData("{\"type\":\"NOPE\"}", DecodeErrorCode.UnknownType, "$.type")]
    [InlineData("{\"type\":\"ack\"}", DecodeErrorCode.UnknownType, "$.type")]
    [InlineData("{\"type\":7}", DecodeErrorCode.InvalidValue, "$.type")]
    [InlineData("{\"type\":\"ACK\"}", DecodeErrorCode.MissingField, "$")]
    public void Broken_bytes_are_named(string text, DecodeErrorCode code, string path)
    {
        DecodeError error = Refused(text);
        Assert.Equal(code, error.Code);
        Assert.Equal(path, error.Path);
    }

    [Theory]
    [InlineData("\"a7\"", "\"a 7\"", DecodeErrorCode.InvalidValue, "$.agent_id")]
    [InlineData("\"a7\"", "null", DecodeErrorCode.InvalidValue, "$.agent_id")]
    [InlineData("\"a7\"", "\"\\ud800\"", DecodeErrorCode.InvalidValue, "$.agent_id")]
    [InlineData(":1,", ":2,", DecodeErrorCode.InvalidValue, "$.trinary_state")]
    [InlineData(":1,", ":\"1\",", DecodeErrorCode.InvalidValue, "$.trinary_state")]
    [InlineData("12.5", "-0.1", DecodeErrorCode.InvalidValue, "$.processing_time_ms")]
    [InlineData("12.5", "1e999", DecodeErrorCode.InvalidValue, "$.processing_time_ms")]
    [InlineData("12.5", "\"12.5\"", DecodeErrorCode.InvalidValue, "$.processing_time_ms")]
    [InlineData(Id, "01ARZ3NDEKTSV4RRFFQ69G5FAv", DecodeErrorCode.InvalidValue, "$.message_id")]
    [InlineData("\"a7\"", "\"a7\",\"agent_id\":\"a8\"", DecodeErrorCode.DuplicateField, null)]
    [InlineData("\"a7\"", "\"a7\",\"agent\\u005fid\":\"a8\"", DecodeErrorCode.DuplicateField, null)]
    [InlineData("\"a7\"", "\"a7\",\"type\":\"ACK\"", DecodeErrorCode.DuplicateField, null)]
    [InlineData("\"a7\"", "\"a7\",\"new\":1,\"new\":2", DecodeErrorCode.DuplicateField, null)]
    [InlineData("\"a7\"", "\"a7\",\"conflict_detail\":{\"type\":\"OTHER\",\"type\":\"OTHER\"}", DecodeErrorCode.DuplicateField, null)]
    [InlineData("\"a7\"", "\"a7\",\"conflict_detail\":{}", DecodeErrorCode.MissingField, "$.conflict_detail")]
    [InlineData("\"a7\"", "\"a7\",\"conflict_detail\":{\"type\":\"other\"}", DecodeErrorCode.InvalidValue, "$.conflict_detail.type")]
    [InlineData("\"agent_id\":\"a7\",", "", DecodeErrorCode.MissingField, "$")]
    public void A_bad_field_is_named(string old, string put, DecodeErrorCode code, string? path)
    {
        DecodeError error = Refused(Ack.Replace(old, put, StringComparison.Ordinal));
        Assert.Equal(code, error.Code);
        if (path is not null) Assert.Equal(path, error.Path);
        Assert.DoesNotContain("Mesh30K", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.0000000Z")]
    [InlineData("2026-01-02T03:04:05.6Z", "2026-01-02T03:04:05.6000000Z")]
    [InlineData("2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05.1234567Z")]
    [InlineData("2026-01-02T03:04:05.5+02:00", "2026-01-02T01:04:05.5000000Z")]
    [InlineData("2025-12-31T23:30:00-05:30", "2026-01-01T05:00:00.0000000Z")]
    [InlineData("2026-01-02T03:04Z", "2026-01-02T03:04:00.0000000Z")]
    [InlineData("2026-01-02T03:04:05", null)]
    [InlineData("2026-01-02", null)]
    [InlineData("2026-01-02T03:04:05.12345678Z", null)]
    [InlineData("2026-01-02T03:04:05+0200", null)]
    [InlineData("2026-02-30T03:04:05Z", null)]
    [InlineData("0001-01-01T00:00:00+14:00", null)]
    [InlineData("1767323045", null)]
    public void Times_are_iso_8601_with_an_offset(string text, string? instant)
    {
        DecodeResult result = MeshCodec.Default.Decode(Encoding.UTF8.GetBytes(Ack.Replace("2026-01-02T03:04:05Z", text, StringComparison.Ordinal)));
        Assert.Equal(instant, (result.Message as AcknowledgeMessage)?.ActualArrivalTime.ToString());
        if (instant is null) Assert.Equal("$.actual_arrival_time", result.Error!.Path);
    }

    [Fact]
    public void Unknown_fields_of_a_message_are_kept_and_bounded()
    {
        string text = Ack[..^1] + ",\"from_the_future\":{\"b\":[1,{\"c\":null}]}}";
        WireMessage message = MeshCodec.Default.Decode(Encoding.UTF8.GetBytes(text)).Message!;
        Assert.Equal(text, Encoding.UTF8.GetString(MeshCodec.Default.Encode(message)));

        string many = string.Concat(Enumerable.Range(0, 33).Select(i => $",\"f{i}\":{i}"));
        Assert.Equal(DecodeErrorCode.LimitExceeded, Refused(Ack[..^1] + many + "}").Code);
    }

    [Fact]
    public void The_type_may_stand_anywhere_or_for_a_mesh_message_nowhere()
    {
        string last = Ack.Replace("\"type\":\"ACK\",", string.Empty, StringComparison.Ordinal)[..^1] + ",\"type\":\"ACK\"}";
        Assert.IsType<AcknowledgeMessage>(MeshCodec.Default.Decode(Encoding.UTF8.GetBytes(last)).Message);
        string mesh = Encoding.UTF8.GetString(MeshCodec.Default.Encode(Samples.Message(MessageType.Message, 1)));
        Assert.StartsWith("{\"type\":\"MESSAGE\",", mesh, StringComparison.Ordinal);
        string untyped = mesh.Replace("\"type\":\"MESSAGE\",", string.Empty, StringComparison.Ordinal);
        Assert.IsType<MeshMessage>(MeshCodec.Default.Decode(Encoding.UTF8.GetBytes(untyped)).Message);
    }

    [Fact]
    public void A_payload_keeps_its_bytes()
    {
        RawJson payload = RawJson.Parse(" {\"a\" : 1.0 ,\n\"e\":\"\\u00e9\"} ");
        CoordinationMessage sent = new()
        {
            MessageId = MessageId.Parse(Id),
            TargetArrivalTime = new Instant(0),
            Compensation = new Dictionary<AgentId, double>(),
            Verb = Verb.Act,
            Payload = payload,
            PayloadHash = PayloadHash.Of(payload.Utf8),
        };
        var got = (CoordinationMessage)MeshCodec.Default.Decode(MeshCodec.Default.Encode(sent)).Message!;
        Assert.Equal("{\"a\" : 1.0 ,\n\"e\":\"\\u00e9\"}", got.Payload.ToString());
        Assert.True(got.PayloadHash!.Value.Matches(got.Payload.Utf8));
    }

    [Fact]
    public void Limits_hold()
    {
        MeshCodec small = new(new CodecLimits { BytesMax = 1000, DepthMax = 4, CapabilitiesMax = 1, TargetsMax = 1, ResultBytesMax = 9, StringCharsMax = 8 });
        Assert.Equal(DecodeErrorCode.TooLarge, small.Decode(new byte[1001]).Error!.Code);
        Assert.Equal(DecodeErrorCode.TooDeep, Refused(Ack[..^1] + ",\"x\":[[[[1]]]]}", small).Code);
        Assert.Equal(DecodeErrorCode.TooDeep, Refused("{\"x\":" + new string('[', 900), small).Code);
        Assert.Equal(DecodeErrorCode.LimitExceeded, Refused(Ack[..^1] + ",\"result\":\"éééé!!\"}", small).Code);
        Assert.Equal(DecodeErrorCode.LimitExceeded, Refused(Ack[..^1] + ",\"conflict_detail\":{\"type\":\"OTHER\",\"context_hash\":\"123456789\"}}", small).Code);
        string coordinate = $$"""{"type":"COORDINATE","message_id":"{{Id}}","target_arrival_time":"2026-01-02T03:04:05Z","compensation":{"a":1,"b":2},"verb":"act","payload":1}""";
        Assert.Equal(DecodeErrorCode.LimitExceeded, Refused(coordinate, small).Code);
        Assert.Equal(DecodeErrorCode.DuplicateField, Refused(coordinate.Replace("\"b\"", "\"a\"", StringComparison.Ordinal)).Code);
        Assert.Equal(DecodeErrorCode.NotUtf8, MeshCodec.Default.Decode([(byte)'"', 0xff, (byte)'"']).Error!.Code);
    }

    [Fact]
    public void A_message_that_breaks_a_rule_is_a_bug_of_who_sends_it()
    {
        var ack = (AcknowledgeMessage)MeshCodec.Default.Decode(Encoding.UTF8.GetBytes(Ack)).Message!;
        Assert.Throws<ArgumentException>(() => MeshCodec.Default.Encode(ack with { ProcessingTimeMs = double.NaN }));
        Assert.Throws<ArgumentException>(() => MeshCodec.Default.Encode(ack with { Result = new string('x', 65_537) }));
        Assert.Equal(Ack, Encoding.UTF8.GetString(MeshCodec.Default.Encode(ack)));
    }

    private static DecodeError Refused(string text, MeshCodec? codec = null)
    {
        DecodeResult result = (codec ?? MeshCodec.Default).Decode(Encoding.UTF8.GetBytes(text));
        Assert.False(result.IsMessage, text);
        return result.Error!;
    }
}
