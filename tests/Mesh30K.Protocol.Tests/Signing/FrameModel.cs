using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>
/// Frames written plainly from docs/protocol/links.md, without the product's code but for the signature itself. Every text can be anything, so that frames can be made whose signature holds and whose form does not.
/// </summary>
internal sealed record FrameModel
{
    internal const string Mesh = "mesh:0123456789abcdef";
    internal const string Agent = "agent-7";
    internal static readonly Instant Now = Instant.From(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    internal string From { get; init; } = Mesh;
    internal string To { get; init; } = Agent;
    internal string Epoch { get; init; } = "5";
    internal string Seq { get; init; } = "1";
    internal string SentAt { get; init; } = "2026-01-02T03:04:05Z";
    internal string ExpiresAt { get; init; } = "2026-01-02T03:04:35Z";
    internal required Ed25519PrivateKey Key { get; init; }
    internal IReadOnlyList<string> Messages { get; init; } = ["{\"type\":\"BYE\",\"reason\":\"done\"}"];

    internal string SigningString =>
        string.Concat(
            ((IEnumerable<string>)["mesh30k-frame-v1", "FRAME", From, To, Epoch, Seq, SentAt, ExpiresAt, Key.PublicKey.Id.Value, Messages.Count.ToString(System.Globalization.CultureInfo.InvariantCulture)])
            .Concat(Messages.Select(m => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(m)))))
            .Select(line => line + "\n"));

    internal byte[] Leaf => SHA256.HashData([0, .. Encoding.UTF8.GetBytes(SigningString)]);

    internal static byte[] Climb(byte[] leaf, IEnumerable<(char Side, byte[] Hash)> path) =>
        path.Aggregate(leaf, (at, step) => SHA256.HashData(step.Side == 'l' ? [1, .. step.Hash, .. at] : [1, .. at, .. step.Hash]));

    internal static byte[] SignRoot(Ed25519PrivateKey key, byte[] root)
    {
        byte[] signature = new byte[64];
        key.Sign([.. "mesh30k-root-v1\n"u8, .. root], signature);
        return signature;
    }

    /// <summary>The header's fields in order, as JSON texts.</summary>
    internal List<KeyValuePair<string, string>> Fields(IReadOnlyList<(char Side, byte[] Hash)>? path = null)
    {
        byte[] signature = SignRoot(Key, Climb(Leaf, path ?? []));
        List<KeyValuePair<string, string>> fields =
        [
            new("type", "\"FRAME\""), new("from", $"\"{From}\""), new("to", $"\"{To}\""), new("epoch", Epoch), new("seq", Seq),
            new("sent_at", $"\"{SentAt}\""), new("expires_at", $"\"{ExpiresAt}\""), new("key", $"\"{Key.PublicKey.Id}\""),
        ];
        if (path is not null) fields.Add(new("path", $"[{string.Join(',', path.Select(s => $"\"{s.Side}{Base64Url.EncodeToString(s.Hash)}\""))}]"));
        fields.Add(new("sig", $"\"{Base64Url.EncodeToString(signature)}\""));
        return fields;
    }

    internal string Text(IEnumerable<KeyValuePair<string, string>> fields) =>
        "{" + string.Join(',', fields.Select(f => $"\"{f.Key}\":{f.Value}")) + "}\n" + string.Join('\n', Messages);

    internal string Text(IReadOnlyList<(char Side, byte[] Hash)>? path = null) => Text(Fields(path));

    /// <summary>The header with one field's JSON text replaced, added or (null) left out; the signature stays.</summary>
    internal string With(string field, string? json)
    {
        List<KeyValuePair<string, string>> fields = Fields();
        int at = fields.FindIndex(f => f.Key == field);
        if (json is null) fields.RemoveAt(at);
        else if (at < 0) fields.Insert(3, new(field, json));
        else fields[at] = new(field, json);
        return Text(fields);
    }

    internal static FrameGate Gate(params Ed25519PrivateKey[] keys) =>
        new(Mesh, Agent, 5, (id, _) => keys.FirstOrDefault(k => k.PublicKey.Id == id)?.PublicKey);

    internal FrameHeader Header() => new()
    {
        From = From,
        To = To,
        Epoch = long.Parse(Epoch, System.Globalization.CultureInfo.InvariantCulture),
        Seq = long.Parse(Seq, System.Globalization.CultureInfo.InvariantCulture),
        SentAt = Now,
        ExpiresAt = Now + TimeSpan.FromSeconds(30),
        Key = Key.PublicKey.Id,
    };

    internal static byte[] Written(FrameBatch batch, int frame)
    {
        ArrayBufferWriter<byte> output = new();
        batch.Write(frame, output);
        return output.WrittenSpan.ToArray();
    }
}

internal static class Opening
{
    internal static OpenedFrame Open(this FrameGate gate, string frame) => gate.Open(Encoding.UTF8.GetBytes(frame), FrameModel.Now);

    /// <summary>The frame is refused with this word, and the gate still takes a good one afterwards.</summary>
    internal static void Refuses(this FrameGate gate, FrameRefusal expected, byte[] frame, Instant now, string what)
    {
        OpenedFrame opened = gate.Open(frame, now);
        Assert.True(opened.Refusal == expected, $"{what}: {opened.Refusal} ({opened.Why})");
        Assert.NotNull(opened.Why);
        Assert.Null(opened.Header);
        Assert.Empty(opened.Messages);
    }

    internal static void Refuses(this FrameGate gate, FrameRefusal expected, string frame, string? what = null) =>
        gate.Refuses(expected, Encoding.UTF8.GetBytes(frame), FrameModel.Now, what ?? frame);
}
