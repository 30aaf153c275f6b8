using System.Text;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>What the form of a frame may be: the table of docs/protocol/links.md, line by line. The signature holds in all of them where it can.</summary>
public sealed class FrameFormTests : IDisposable
{
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();

    public void Dispose() => _key.Dispose();

    private FrameModel Frame => new() { Key = _key };

    private static readonly string Json = "{\"a\":1}";

    [Fact]
    public void A_frame_written_by_hand_is_taken()
    {
        OpenedFrame opened = FrameModel.Gate(_key).Open(Frame.Text());
        Assert.Equal((FrameRefusal.None, null), (opened.Refusal, opened.Why));
        Assert.Equal(Frame.Header(), opened.Header);
    }

    [Fact]
    public void Spaces_order_and_fractions_of_a_second_are_free()
    {
        FrameModel frame = Frame with { SentAt = "2026-01-02T03:04:05.1Z", ExpiresAt = "2026-01-02T03:04:35.1234567Z" };
        string text = frame.Text(frame.Fields([]).AsEnumerable().Reverse());
        string spaced = text.Replace(",\"", " ,\t\"", StringComparison.Ordinal).Replace("\":", "\" : ", StringComparison.Ordinal);
        string[] lines = spaced.Split('\n', 2);
        Assert.Equal(FrameRefusal.None, FrameModel.Gate(_key).Open(lines[0] + "\n" + frame.Messages[0]).Refusal);
    }

    public static readonly TheoryData<string, string?> BadFields = new()
    {
        { "type", "\"frame\"" }, { "type", "1" }, { "type", null }, { "type", "\"FR\\u0041ME\"" },
        { "from", null }, { "from", "\"\"" }, { "from", "7" }, { "from", "\"a b\"" }, { "from", "\"mesh\\u003a0123456789abcdef\"" }, { "from", "null" }, { "from", "[\"a\"]" },
        { "to", null }, { "to", "\"agent/7\"" }, { "to", "{}" },
        { "epoch", null }, { "epoch", "0" }, { "epoch", "-5" }, { "epoch", "5.0" }, { "epoch", "5e0" }, { "epoch", "\"5\"" }, { "epoch", "9007199254740992" }, { "epoch", "05" }, { "epoch", "99999999999999999999" }, { "epoch", "true" },
        { "seq", null }, { "seq", "0" }, { "seq", "1.0" }, { "seq", "1E0" }, { "seq", "0.1e1" }, { "seq", "+1" }, { "seq", "9007199254740993" },
        { "sent_at", null }, { "sent_at", "1767323045" }, { "sent_at", "\"2026-01-02T03:04:05+00:00\"" }, { "sent_at", "\"2026-01-02 03:04:05Z\"" }, { "sent_at", "\"2026-01-02T03:04:05.Z\"" },
        { "sent_at", "\"2026-01-02T03:04:05.12345678Z\"" }, { "sent_at", "\"2026-02-29T03:04:05Z\"" }, { "sent_at", "\"2026-01-02T24:00:00Z\"" }, { "sent_at", "\"2026-01-02T03:04:60Z\"" },
        { "sent_at", "\"2026-1-02T03:04:05Z\"" }, { "sent_at", "\"1969-12-31T23:59:59Z\"" }, { "sent_at", "\"2026-01-02T03:04:05z\"" }, { "sent_at", "\"0000-01-02T03:04:05Z\"" },
        { "expires_at", null }, { "expires_at", "\"2026-01-02T03:04\"" }, { "expires_at", "\"2026-01-02T03:04:35,5Z\"" }, { "expires_at", "\"2026-01-02T03:04:35.5\"" },
        { "key", null }, { "key", "\"k-0123456789ABCDEF\"" }, { "key", "\"k-0123\"" }, { "key", "\"x-0123456789abcdef\"" }, { "key", "\"\"" },
        { "path", "null" }, { "path", "\"\"" }, { "path", "{}" }, { "path", "[1]" }, { "path", "[\"\"]" }, { "path", "[\"l\"]" }, { "path", "[null]" }, { "path", "[[]]" },
        { "path", "[\"x" + new string('A', 43) + "\"]" }, { "path", "[\"l" + new string('A', 42) + "\"]" }, { "path", "[\"l" + new string('A', 42) + "B\"]" }, { "path", "[\"l" + new string('A', 43) + "=\"]" },
        { "path", "[" + string.Join(',', Enumerable.Repeat("\"l" + new string('A', 43) + "\"", 17)) + "]" },
        { "sig", null }, { "sig", "\"\"" }, { "sig", "\"" + new string('A', 85) + "\"" }, { "sig", "\"" + new string('A', 85) + "B\"" }, { "sig", "\"" + new string('A', 86) + "==\"" }, { "sig", "null" },
        { "unknown", "1" }, { "Type", "\"FRAME\"" }, { "t\\u0079pe", "\"FRAME\"" }, { "", "1" },
    };

    [Theory]
    [MemberData(nameof(BadFields))]
    public void A_field_that_breaks_its_form_is_malformed(string field, string? json) =>
        FrameModel.Gate(_key).Refuses(FrameRefusal.Malformed, Frame.With(field, json), $"{field}: {json}");

    [Fact]
    public void A_field_that_is_twice_is_malformed_also_when_both_are_equal()
    {
        foreach (KeyValuePair<string, string> field in Frame.Fields([]))
        {
            List<KeyValuePair<string, string>> twice = [.. Frame.Fields([]), field];
            FrameModel.Gate(_key).Refuses(FrameRefusal.Malformed, Frame.Text(twice), field.Key);
        }
    }

    [Fact]
    public void Lines_are_strict()
    {
        string good = Frame.Text(), header = good.Split('\n')[0], message = Frame.Messages[0];
        foreach (string bad in (string[])["", "\n", header, header + "\n", good + "\n", "\n" + good, header + "\n\n" + message, header + "\r\n" + message, good + "\r", "\uFEFF" + good,
            " " + good, header + " \n" + message, header + "\n " + message, good + " ", header + "\n[]", header + "\n1", header + "\nnull", header + "\n{", message, message + "\n" + message,
            header[..^1] + "\n" + message, header + "}\n" + message, header.Replace("}", ",}", StringComparison.Ordinal) + "\n" + message, header.Replace("{", "{/**/", StringComparison.Ordinal) + "\n" + message,
            "[" + header + "]\n" + message, header + header + "\n" + message, "{}\n" + message, "{\"type\":\"FRAME\"}{}\n" + message, header.Replace("\"FRAME\"", "\"FRAME\u0000\"", StringComparison.Ordinal) + "\n" + message])
            FrameModel.Gate(_key).Refuses(FrameRefusal.Malformed, bad);
    }

    [Fact]
    public void What_is_not_UTF_8_is_malformed_wherever_it_stands()
    {
        byte[] good = Encoding.UTF8.GetBytes(Frame.Text());
        for (int i = 0; i < good.Length; i += 7)
            foreach (byte[] bad in (byte[][])[[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x80]])
                FrameModel.Gate(_key).Refuses(FrameRefusal.Malformed, [.. good[..i], .. bad, .. good[i..]], FrameModel.Now, $"byte {i}");
    }

    [Fact]
    public void Sizes_have_limits_and_the_limits_themselves_are_taken()
    {
        FrameModel many = Frame with { Messages = [.. Enumerable.Repeat(Json, FrameLimits.MessagesMax)] };
        Assert.Equal(FrameLimits.MessagesMax, FrameModel.Gate(_key).Open(many.Text()).Messages.Count);
        FrameModel tooMany = Frame with { Messages = [.. many.Messages, Json] };
        FrameModel.Gate(_key).Refuses(FrameRefusal.Malformed, tooMany.Text(), "257 messages");

        int header = Frame.Text().IndexOf('\n', StringComparison.Ordinal);
        FrameModel full = Frame with { Messages = ["{\"a\":\"" + new string('x', FrameLimits.BytesMax - header - 9) + "\"}"] };
        Assert.Equal(FrameLimits.BytesMax, full.Text().Length);
        Assert.Equal(FrameRefusal.None, FrameModel.Gate(_key).Open(full.Text()).Refusal);
        FrameModel.Gate(_key).Refuses(FrameRefusal.Malformed, full.Text().Replace("x\"}", "xx\"}", StringComparison.Ordinal), "1 MiB and a byte");

        string padded = "{" + new string(' ', FrameLimits.HeaderBytesMax - header) + Frame.Text()[1..];
        Assert.Equal(FrameRefusal.None, FrameModel.Gate(_key).Open(padded).Refusal);
        FrameModel.Gate(_key).Refuses(FrameRefusal.Malformed, "{ " + padded[1..], "64 KiB of header and a byte");
    }

    [Fact]
    public void A_long_id_is_refused_and_the_longest_is_taken()
    {
        string longest = new('a', 128);
        FrameModel frame = Frame with { To = longest };
        FrameGate gate = new(FrameModel.Mesh, longest, 5, (_, _) => _key.PublicKey);
        Assert.Equal(FrameRefusal.None, gate.Open(frame.Text()).Refusal);
        gate.Refuses(FrameRefusal.Malformed, (Frame with { To = longest + "a" }).Text());
    }
}
