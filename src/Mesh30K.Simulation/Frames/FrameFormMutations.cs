using System.Globalization;
using System.Text;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Simulation.Frames;

/// <summary>Frames that their sender signed well and wrote badly, and signatures that nobody made.</summary>
internal static partial class FrameMutations
{
    /// <summary>The eight points of small order and the other encodings of them (RFC 8032, section 5.1.3 refuses the latter): y in 32 bytes, lowest first.</summary>
    private static readonly string[] SmallOrderKeys =
    [
        "0000000000000000000000000000000000000000000000000000000000000000", "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];

    /// <summary>
    /// R of small order and S = 0, which holds for an eighth of all messages under a key of small order: such a key cannot even be made, and under the sender's own key the signature must fail.
    /// </summary>
    private static Mutation? SmallOrderForgery(FuzzSession s, byte[] good, RawFrame raw)
    {
        byte[] point = Convert.FromHexString(SmallOrderKeys[s.Random.Next(SmallOrderKeys.Length)]);
        if (Ed25519PublicKey.TryCreate(point, out _) is null) throw new FuzzViolationException("a key of small order was taken: " + Convert.ToHexStringLower(point));
        raw.SetSignature([.. point, .. new byte[32]]);
        if (s.Random.Next(2) == 0) return new Mutation(raw.Bytes(), FrameRefusal.BadSignature);
        string id = "k-" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(point))[..16];
        return new Mutation(raw.SetText("key", id).Bytes(), FrameRefusal.UnknownKey);
    }

    private static Mutation? WrongForm(FuzzSession s, byte[] good, RawFrame raw)
    {
        raw.Sign(s.Sender.Key);
        string text = raw.Text(), header = text.Split('\n', 2)[0], messages = text.Split('\n', 2)[1];
        Random r = s.Random;
        KeyValuePair<string, string> any = raw.Fields[r.Next(raw.Fields.Count)];
        string bad = r.Next(14) switch
        {
            0 => text + "\n",
            1 => header + "\r\n" + messages,
            2 => "\uFEFF" + text,
            3 => header + "\n\n" + messages,
            4 => " " + text,
            5 => $"{{\"{any.Key}\":{any.Value},{header[1..]}\n{messages}",
            6 => $"{{\"extra\":1,{header[1..]}\n{messages}",
            7 => text.Replace("\"seq\":" + raw["seq"], "\"seq\":" + raw["seq"] + (r.Next(2) == 0 ? ".0" : "e0"), StringComparison.Ordinal),
            8 => text.Replace("\"epoch\":", "\"\\u0065poch\":", StringComparison.Ordinal),
            9 => text.Replace("\"type\":\"FRAME\"", "\"type\":\"\\u0046RAME\"", StringComparison.Ordinal),
            10 => text.Replace("\"epoch\":" + raw["epoch"], "\"epoch\":\"" + raw["epoch"] + "\"", StringComparison.Ordinal),
            11 => text.Replace(raw["sig"], raw["sig"][..^1] + "==\"", StringComparison.Ordinal),
            12 => header + "\n" + string.Concat(Enumerable.Repeat("{}\n", FrameLimits.MessagesMax)) + messages,
            _ => string.Create(CultureInfo.InvariantCulture, $"{header}\n{messages}\n{{\"pad\":\"{new string('x', r.Next(64) == 0 ? FrameLimits.BytesMax : 10)}\"}}\n"),
        };
        return new Mutation(Encoding.UTF8.GetBytes(bad), FrameRefusal.Malformed);
    }
}

/// <summary>Something that may never happen, found while a case was made.</summary>
internal sealed class FuzzViolationException(string message) : Exception(message);
