using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>The n-th entry of a log, from 1, as a function of a seed, so that whoever reads a log back knows every byte of it. One owner.</summary>
internal sealed class PowerEntries(int seed)
{
    private readonly List<byte[]> _chain = [new byte[SHA256.HashSizeInBytes]];

    public const int BytesMax = 40_000;

    /// <summary>Mostly short, now and then of several pages, so that writes end inside and across blocks.</summary>
    public byte[] Payload(long n)
    {
        ulong state = Mix(((ulong)(uint)seed << 32) ^ (ulong)n);
        int most = (int)(state % 20) switch { 0 => BytesMax, < 6 => 4_000, _ => 200 };
        byte[] payload = new byte[16 + (int)((state >> 20) % (ulong)(most - 16))];
        BinaryPrimitives.WriteInt64LittleEndian(payload, n);
        for (int at = 8; at < payload.Length; at += 8)
        {
            state = Mix(state);
            for (int i = at; i < Math.Min(at + 8, payload.Length); i++) payload[i] = (byte)(state >> (8 * (i - at)));
        }
        return payload;
    }

    /// <summary>A digest of the first n entries in their order.</summary>
    public byte[] Digest(long n)
    {
        while (_chain.Count <= n) _chain.Add(SHA256.HashData([.. _chain[^1], .. Payload(_chain.Count)]));
        return _chain[(int)n];
    }

    /// <summary>The last step of SplitMix64.</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
