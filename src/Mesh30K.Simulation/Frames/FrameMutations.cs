using System.Buffers.Text;
using System.Globalization;
using System.Numerics;
using System.Text;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Simulation.Frames;

/// <summary>A frame that must be refused.</summary>
/// <param name="Bytes">What is sent.</param>
/// <param name="Expected">The refusal, where only one is right; null where any is.</param>
internal readonly record struct Mutation(byte[] Bytes, FrameRefusal? Expected);

/// <summary>
/// Ways to make a frame that is to be refused out of a good one, each by construction: bytes that nobody signed, or signed by somebody else, for somebody else, for another session or time, or in another form.
/// </summary>
internal static partial class FrameMutations
{
    private static readonly BigInteger GroupOrder = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493", CultureInfo.InvariantCulture);

    /// <summary>A way: null where it does not apply to this frame.</summary>
    internal delegate Mutation? Way(FuzzSession s, byte[] good, RawFrame raw);

    internal static readonly (string Name, Way Make)[] All =
    [
        ("bit flips", (s, good, _) => Changed(good, BitFlips(s.Random, good))),
        ("a byte set", (s, good, _) => Changed(good, ByteSet(s.Random, good))),
        ("cut", (s, good, _) => new Mutation(good[..s.Random.Next(good.Length)], null)),
        ("cut at the front", (s, good, _) => new Mutation(good[s.Random.Next(1, good.Length)..], null)),
        ("a part doubled", (s, good, _) => Doubled(s.Random, good)),
        ("joined by a line", (s, good, _) => new Mutation([.. good, (byte)'\n', .. s.Neighbour], FrameRefusal.BadSignature)),
        ("joined", (s, good, _) => new Mutation([.. good, .. s.Neighbour], FrameRefusal.BadSignature)),
        ("noise", (s, good, _) => Noise(s.Random, good.Length)),
        ("lines swapped", SwapLines),
        ("a line more", AddLine),
        ("a line less", (s, _, raw) => RemoveLine(s, raw)),
        ("a message of another frame", ForeignMessage),
        ("a field changed, signature kept", ChangeField),
        ("signature of another frame", (s, _, raw) => ForeignSignature(s, raw)),
        ("signed by another agent's key", (s, _, raw) => new Mutation(raw.Sign(Other(s).Key).Bytes(), FrameRefusal.UnknownKey)),
        ("another agent's signature under the sender's key id", (s, _, raw) => new Mutation(raw.SignUnnamed(Other(s).Key).Bytes(), FrameRefusal.BadSignature)),
        ("another agent in its own name", (s, _, raw) => new Mutation(raw.SetText("from", Other(s).Id).Sign(Other(s).Key).Bytes(), FrameRefusal.WrongAddress)),
        ("another mesh", (s, _, raw) => new Mutation(raw.SetText("from", s.World.Stranger.Id).Sign(s.World.Stranger.Key).Bytes(), FrameRefusal.WrongAddress)),
        ("sent back to its sender", (s, _, raw) => new Mutation(raw.SetText("from", s.Self.Id).SetText("to", s.Sender.Id).Sign(s.Self.Key).Bytes(), FrameRefusal.WrongAddress)),
        ("for another receiver", (s, _, raw) => new Mutation(raw.SetText("to", Other(s).Id).Sign(s.Sender.Key).Bytes(), FrameRefusal.WrongAddress)),
        ("of another session", (s, _, raw) => new Mutation(raw.SetNumber("epoch", s.Epoch + (s.Random.Next(2) == 0 || s.Epoch == 1 ? 1 : -1)).Sign(s.Sender.Key).Bytes(), FrameRefusal.WrongEpoch)),
        ("out of its time", WrongTimes),
        ("replayed", (s, _, _) => s.Accepted.Count == 0 ? null : new Mutation(s.Accepted[s.Random.Next(s.Accepted.Count)], FrameRefusal.Replayed)),
        ("replayed with a new signature", (s, _, _) => s.Accepted.Count == 0 ? null : new Mutation(RawFrame.Parse(s.Accepted[^1]).Sign(s.Sender.Key).Bytes(), FrameRefusal.Replayed)),
        ("below the window", BelowWindow),
        ("signed by a revoked key", (s, _, raw) => new Mutation(raw.Sign(s.Sender.Revoked).Bytes(), FrameRefusal.UnknownKey)),
        ("signed by an expired key", (s, _, raw) => new Mutation(raw.Sign(s.Sender.Expired).Bytes(), FrameRefusal.UnknownKey)),
        ("the path changed", PathTricks),
        ("S + L", (_, _, raw) => new Mutation(raw.SetSignature(Malleable(raw.Signature)).Bytes(), FrameRefusal.BadSignature)),
        ("a forgery of small order", SmallOrderForgery),
        ("a good signature in a wrong form", WrongForm),
    ];

    private static Mutation? Changed(byte[] good, byte[] changed) => good.AsSpan().SequenceEqual(changed) ? null : new Mutation(changed, null);

    private static byte[] BitFlips(Random r, byte[] good)
    {
        byte[] bytes = [.. good];
        for (int i = r.Next(1, 4); i > 0; i--) bytes[r.Next(bytes.Length)] ^= (byte)(1 << r.Next(8));
        return bytes;
    }

    private static byte[] ByteSet(Random r, byte[] good)
    {
        byte[] bytes = [.. good];
        bytes[r.Next(bytes.Length)] = (byte)r.Next(256);
        return bytes;
    }

    private static Mutation? Doubled(Random r, byte[] good)
    {
        int start = r.Next(good.Length), length = r.Next(1, good.Length - start + 1);
        return new Mutation([.. good[..(start + length)], .. good[start..]], null);
    }

    private static Mutation? Noise(Random r, int length)
    {
        byte[] bytes = new byte[r.Next(length)];
        r.NextBytes(bytes);
        return new Mutation(bytes, FrameRefusal.Malformed);
    }

    private static Mutation? SwapLines(FuzzSession s, byte[] good, RawFrame raw)
    {
        if (raw.Messages.Count < 2 || raw.Messages[0] == raw.Messages[^1])
        {
            string[] lines = Encoding.UTF8.GetString(good).Split('\n', 2);
            return new Mutation(Encoding.UTF8.GetBytes(lines[1] + "\n" + lines[0]), FrameRefusal.Malformed);
        }
        (raw.Messages[0], raw.Messages[^1]) = (raw.Messages[^1], raw.Messages[0]);
        return new Mutation(raw.Bytes(), FrameRefusal.BadSignature);
    }

    private static Mutation? AddLine(FuzzSession s, byte[] good, RawFrame raw)
    {
        raw.Messages.Insert(s.Random.Next(raw.Messages.Count + 1), s.Random.Next(2) == 0 ? s.Message() : raw.Messages[0]);
        return new Mutation(raw.Bytes(), FrameRefusal.BadSignature);
    }

    private static Mutation? RemoveLine(FuzzSession s, RawFrame raw)
    {
        raw.Messages.RemoveAt(s.Random.Next(raw.Messages.Count));
        return raw.Messages.Count > 0 ? new Mutation(raw.Bytes(), FrameRefusal.BadSignature) : new Mutation(raw.Bytes(), FrameRefusal.Malformed);
    }

    private static Mutation? ForeignMessage(FuzzSession s, byte[] good, RawFrame raw)
    {
        string foreign = RawFrame.Parse(s.Neighbour).Messages[0];
        int at = s.Random.Next(raw.Messages.Count);
        if (raw.Messages[at] == foreign) return null;
        raw.Messages[at] = foreign;
        return new Mutation(raw.Bytes(), FrameRefusal.BadSignature);
    }

    private static Mutation? ChangeField(FuzzSession s, byte[] good, RawFrame raw)
    {
        Random r = s.Random;
        return r.Next(9) switch
        {
            0 => new Mutation(raw.SetNumber("seq", s.Seq + r.Next(1, 1000)).Bytes(), FrameRefusal.BadSignature),
            1 => new Mutation(raw.SetNumber("epoch", s.Epoch + 1).Bytes(), FrameRefusal.WrongEpoch),
            2 => new Mutation(raw.SetText("from", Other(s).Id).Bytes(), FrameRefusal.WrongAddress),
            3 => new Mutation(raw.SetText("to", Other(s).Id).Bytes(), FrameRefusal.WrongAddress),
            4 => new Mutation(raw.SetTime("expires_at", s.Now + TimeSpan.FromSeconds(201 + r.Next(50))).Bytes(), FrameRefusal.BadSignature),
            5 => new Mutation(raw.SetTime("sent_at", s.Now + TimeSpan.FromSeconds(2 + r.Next(20))).Bytes(), FrameRefusal.BadSignature),
            6 => new Mutation(raw.SetText("key", (raw["key"].Contains(s.Sender.Key.PublicKey.Id.Value, StringComparison.Ordinal) ? s.Sender.Next : s.Sender.Key).PublicKey.Id.Value).Bytes(), FrameRefusal.BadSignature),
            7 => new Mutation(raw.SetText("key", "k-0123456789abcdef").Bytes(), FrameRefusal.UnknownKey),
            // The same moment in other words is another signing string.
            _ => new Mutation(raw.SetText("sent_at", OtherWords(raw["sent_at"].Trim('"'))).Bytes(), FrameRefusal.BadSignature),
        };
    }

    private static string OtherWords(string time) => time.EndsWith("0Z", StringComparison.Ordinal) ? time[..^2] + "Z" : time[..^1][..^1] + (time[^2] == '1' ? "2Z" : "1Z");

    private static Mutation? ForeignSignature(FuzzSession s, RawFrame raw)
    {
        if (s.Accepted.Count == 0) return null;
        raw.SetSignature(RawFrame.Parse(s.Accepted[s.Random.Next(s.Accepted.Count)]).Signature);
        return new Mutation(raw.Bytes(), FrameRefusal.BadSignature);
    }

    private static Mutation? WrongTimes(FuzzSession s, byte[] good, RawFrame raw)
    {
        int by = s.Random.Next(1, 100_000);
        RawFrame wrong = s.Random.Next(4) switch
        {
            0 => raw.SetTime("sent_at", s.Now - TimeSpan.FromSeconds(30)).SetTime("expires_at", s.Now - TimeSpan.FromTicks(by)),
            1 => raw.SetTime("sent_at", s.Now + TimeSpan.FromSeconds(60) + TimeSpan.FromTicks(by)).SetTime("expires_at", s.Now + TimeSpan.FromSeconds(90)),
            2 => raw.SetTime("sent_at", s.Now).SetTime("expires_at", s.Now + TimeSpan.FromMinutes(5) + TimeSpan.FromTicks(by)),
            _ => raw.SetTime("sent_at", s.Now + TimeSpan.FromSeconds(20)).SetTime("expires_at", s.Now + TimeSpan.FromSeconds(20) - TimeSpan.FromTicks(by)),
        };
        return new Mutation(wrong.Sign(s.Sender.Key).Bytes(), FrameRefusal.Expired);
    }

    /// <summary>The number lies 65 or more below the highest that the gate has seen, and nobody ever used it or somebody did: refused either way.</summary>
    private static Mutation? BelowWindow(FuzzSession s, byte[] good, RawFrame raw)
    {
        if (!s.HasNumbersBelowWindow) return null;
        long highest = long.Parse(RawFrame.Parse(s.Accepted[^1])["seq"], CultureInfo.InvariantCulture);
        if (highest <= FrameLimits.Window + 1) return null;
        long seq = highest - FrameLimits.Window - 1 - s.Random.NextInt64(Math.Min(1000, highest - FrameLimits.Window - 1));
        return new Mutation(raw.SetNumber("seq", seq).Sign(s.Sender.Key).Bytes(), FrameRefusal.Replayed);
    }

    private static Mutation? PathTricks(FuzzSession s, byte[] good, RawFrame raw)
    {
        List<string> path = raw.Path;
        Random r = s.Random;
        string random = Entry(r);
        switch (r.Next(5))
        {
            case 0 when path.Count > 0:
                path.RemoveAt(r.Next(path.Count));
                return new Mutation(raw.SetPath(path).Bytes(), FrameRefusal.BadSignature);
            case 1 when path.Count > 0:
                int at = r.Next(path.Count);
                path[at] = (path[at][0] == 'l' ? "r" : "l") + path[at][1..];
                return new Mutation(raw.SetPath(path).Bytes(), FrameRefusal.BadSignature);
            case 2 when path.Count > 1 && path[0] != path[^1]:
                (path[0], path[^1]) = (path[^1], path[0]);
                return new Mutation(raw.SetPath(path).Bytes(), FrameRefusal.BadSignature);
            case 3:
                return new Mutation(raw.SetPath([.. Enumerable.Range(0, FrameLimits.PathMax + 1).Select(_ => Entry(r))]).SetText("key", s.Sender.Key.PublicKey.Id.Value).Bytes(), FrameRefusal.Malformed);
            default:
                path.Insert(r.Next(path.Count + 1), random);
                return path.Count > FrameLimits.PathMax ? null : new Mutation(raw.SetPath(path).Bytes(), FrameRefusal.BadSignature);
        }
    }

    private static string Entry(Random r)
    {
        byte[] hash = new byte[32];
        r.NextBytes(hash);
        return (r.Next(2) == 0 ? "l" : "r") + Base64Url.EncodeToString(hash);
    }

    /// <summary>The same signature with S + L for S: RFC 8032, 8.4. A verifier that does not check S takes it.</summary>
    private static byte[] Malleable(byte[] signature)
    {
        BigInteger s = new BigInteger(signature.AsSpan(32), isUnsigned: true) + GroupOrder;
        byte[] changed = [.. signature[..32], .. new byte[32]];
        _ = s.TryWriteBytes(changed.AsSpan(32), out _, isUnsigned: true);
        return changed;
    }

    private static FuzzWorld.Party Other(FuzzSession s)
    {
        FuzzWorld.Party other;
        do other = s.World.Parties[s.Random.Next(1, FuzzWorld.Senders)];
        while (other == s.Sender || other == s.Self);
        return other;
    }
}
