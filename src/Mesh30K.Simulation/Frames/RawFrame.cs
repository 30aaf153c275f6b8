using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Simulation.Frames;

/// <summary>
/// A frame as texts that can be changed one by one and signed anew: what an attacker who has read docs/protocol/links.md can send. Written from that page, apart from the product's own writer, so that the two
/// are held against each other. Not thread-safe.
/// </summary>
internal sealed class RawFrame
{
    private RawFrame(List<KeyValuePair<string, string>> fields, List<string> messages)
    {
        Fields = fields;
        Messages = messages;
    }

    /// <summary>The header's fields in order, each value as its JSON text.</summary>
    internal List<KeyValuePair<string, string>> Fields { get; }

    internal List<string> Messages { get; }

    /// <summary>Takes apart a frame that is known to be good.</summary>
    internal static RawFrame Parse(byte[] frame)
    {
        string[] lines = Encoding.UTF8.GetString(frame).Split('\n');
        using JsonDocument header = JsonDocument.Parse(lines[0]);
        return new RawFrame([.. header.RootElement.EnumerateObject().Select(f => KeyValuePair.Create(f.Name, f.Value.GetRawText()))], [.. lines[1..]]);
    }

    internal string this[string name] => Fields.Find(f => f.Key == name).Value;

    internal List<string> Path => this["path"] is { } json ? [.. json.Trim('[', ']').Split(',').Select(e => e.Trim('"'))] : [];

    /// <summary>Gives a field a JSON text; a new one comes before the signature.</summary>
    internal RawFrame Set(string name, string json)
    {
        int at = Fields.FindIndex(f => f.Key == name);
        if (at >= 0) Fields[at] = KeyValuePair.Create(name, json);
        else Fields.Insert(Fields.Count - 1, KeyValuePair.Create(name, json));
        return this;
    }

    internal RawFrame SetText(string name, string text) => Set(name, $"\"{text}\"");

    internal RawFrame SetNumber(string name, long number) => Set(name, number.ToString(CultureInfo.InvariantCulture));

    internal RawFrame SetTime(string name, Instant at) => SetText(name, at.ToString());

    internal RawFrame SetPath(IReadOnlyCollection<string> entries) => Set("path", $"[{string.Join(',', entries.Select(e => $"\"{e}\""))}]");

    internal RawFrame SetSignature(ReadOnlySpan<byte> signature) => SetText("sig", Base64Url.EncodeToString(signature));

    internal byte[] Signature => Base64Url.DecodeFromChars(this["sig"].Trim('"'));

    /// <summary>Signs what stands there now, honestly, by any key; the header names that key.</summary>
    internal RawFrame Sign(Ed25519PrivateKey key) => SetText("key", key.PublicKey.Id.Value).SignUnnamed(key);

    /// <summary>Signs without naming the key.</summary>
    internal RawFrame SignUnnamed(Ed25519PrivateKey key)
    {
        byte[] signature = new byte[Ed25519PublicKey.SignatureBytes];
        key.Sign([.. "mesh30k-root-v1\n"u8, .. Root()], signature);
        return SetSignature(signature);
    }

    internal byte[] Bytes() => Encoding.UTF8.GetBytes(Text());

    internal string Text() => string.Concat("{", string.Join(',', Fields.Select(f => $"\"{f.Key}\":{f.Value}")), "}\n", string.Join('\n', Messages));

    internal RawFrame Copy() => new([.. Fields], [.. Messages]);

    private byte[] Root()
    {
        StringBuilder text = new("mesh30k-frame-v1\nFRAME\n");
        foreach (string name in (string[])["from", "to", "epoch", "seq", "sent_at", "expires_at", "key"]) text.Append(this[name].Trim('"')).Append('\n');
        text.Append(Messages.Count).Append('\n');
        foreach (string message in Messages) text.Append(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(message)))).Append('\n');
        byte[] at = SHA256.HashData([0, .. Encoding.UTF8.GetBytes(text.ToString())]);
        foreach (string entry in Path)
        {
            byte[] neighbour = Base64Url.DecodeFromChars(entry.AsSpan(1));
            at = SHA256.HashData(entry[0] == 'l' ? [1, .. neighbour, .. at] : [1, .. at, .. neighbour]);
        }
        return at;
    }
}
