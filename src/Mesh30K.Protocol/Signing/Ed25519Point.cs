using System.Globalization;
using System.Numerics;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// What 32 bytes have to be in order to serve as a public key of Ed25519: a canonical encoding (RFC 8032, section 5.1.3) of a point of the curve that is not one of the eight of small order.
/// </summary>
/// <remarks>
/// OpenSSL does not look: it takes any 32 bytes, refuses every signature under bytes that are off the curve, and under a key of small order accepts signatures that nobody made. libsodium looks for some of it. Public data
/// only, so the time need not be constant; some 10 µs.
/// </remarks>
internal static class Ed25519Point
{
    /// <summary>2^255 − 19.</summary>
    private static readonly BigInteger P = (BigInteger.One << 255) - 19;

    /// <summary>The d of the curve −x² + y² = 1 + d·x²·y².</summary>
    private static readonly BigInteger D = BigInteger.Parse("37095705934669439343138083508754565189542113879843219016388785533085940283555", CultureInfo.InvariantCulture);

    /// <summary>One of the two y of the four points of order 8; the other is its negative.</summary>
    private static readonly BigInteger Y8 = BigInteger.Parse("2707385501144840649318225287225658788936804267575313519463743609750303402022", CultureInfo.InvariantCulture);

    /// <summary>
    /// The y of all points of small order (1: order 1; −1: order 2; 0: order 4; ±<see cref="Y8"/>: order 8), with both signs of x, and their encodings that are not canonical as well: p stands for 0 and p + 1 for 1.
    /// </summary>
    private static readonly byte[][] SmallOrder = [.. new[] { BigInteger.Zero, BigInteger.One, P - 1, Y8, P - Y8, P, P + 1 }.Select(Encoded)];

    /// <summary>Why these 32 bytes are no key, for people; null when they are one.</summary>
    internal static string? Fault(ReadOnlySpan<byte> bytes)
    {
        Span<byte> masked = stackalloc byte[Ed25519PublicKey.Bytes];
        bytes.CopyTo(masked);
        masked[^1] &= 0x7F;
        BigInteger y = new(masked, isUnsigned: true);
        if (IsOfSmallOrder(bytes)) return "the key is a point of small order: anyone could sign for it";
        if (y >= P) return "the key is not canonical: its number is not below 2^255 - 19";
        // x² = (y² − 1) / (d·y² + 1), and a fraction is a square exactly where numerator times denominator is one.
        BigInteger square = y * y % P;
        BigInteger product = (square - 1) * ((D * square % P) + 1) % P;
        return IsSquare(product.Sign < 0 ? product + P : product) ? null : "the key is not a point of the curve";
    }

    /// <summary>Whether these 32 bytes are one of the points whose order divides 8, in any encoding; some 10 ns.</summary>
    internal static bool IsOfSmallOrder(ReadOnlySpan<byte> bytes)
    {
        byte last = (byte)(bytes[^1] & 0x7F);
        foreach (byte[] y in SmallOrder)
            if (last == y[^1] && bytes[..^1].SequenceEqual(y.AsSpan(0, y.Length - 1))) return true;
        return false;
    }

    private static byte[] Encoded(BigInteger y)
    {
        byte[] bytes = new byte[Ed25519PublicKey.Bytes];
        _ = y.TryWriteBytes(bytes, out _, isUnsigned: true);
        return bytes;
    }

    /// <summary>Jacobi's symbol (<paramref name="value"/> / p) by the binary algorithm, many times faster than Euler's power.</summary>
    private static bool IsSquare(BigInteger value)
    {
        Number a = Number.Of(value), n = Number.Of(P);
        bool positive = true;
        while (!a.IsZero)
        {
            for (int zeros = a.TrailingZeros; zeros > 0; zeros = a.TrailingZeros)
            {
                a = a.ShiftRight(zeros);
                if ((zeros & 1) == 1 && (n.A & 7) is 3 or 5) positive = !positive;
            }
            if (a.IsBelow(n))
            {
                (a, n) = (n, a);
                if ((a.A & n.A & 3) == 3) positive = !positive;
            }
            a = a.Minus(n);
        }
        return n is { A: 1, B: 0, C: 0, D: 0 } && positive;
    }

    /// <summary>256 bits, lowest word first: as much arithmetic as the symbol needs.</summary>
    private readonly record struct Number(ulong A, ulong B, ulong C, ulong D)
    {
        internal bool IsZero => (A | B | C | D) == 0;

        /// <summary>Of the lowest word, 63 at most: a shift by a whole word is done in two steps.</summary>
        internal int TrailingZeros => Math.Min(BitOperations.TrailingZeroCount(A), 63);

        internal static Number Of(BigInteger value)
        {
            Span<ulong> words = stackalloc ulong[4];
            words.Clear();
            _ = value.TryWriteBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(words), out _, isUnsigned: true);
            return new Number(words[0], words[1], words[2], words[3]);
        }

        internal bool IsBelow(in Number other)
        {
            if (D != other.D) return D < other.D;
            if (C != other.C) return C < other.C;
            return B != other.B ? B < other.B : A < other.A;
        }

        /// <summary>By 1 to 63 bits.</summary>
        internal Number ShiftRight(int bits) =>
            new((A >> bits) | (B << (64 - bits)), (B >> bits) | (C << (64 - bits)), (C >> bits) | (D << (64 - bits)), D >> bits);

        internal Number Minus(in Number other)
        {
            UInt128 low = Join(A, B) - Join(other.A, other.B);
            UInt128 high = Join(C, D) - Join(other.C, other.D) - (Join(A, B) < Join(other.A, other.B) ? UInt128.One : UInt128.Zero);
            return new Number((ulong)low, (ulong)(low >> 64), (ulong)high, (ulong)(high >> 64));
        }

        private static UInt128 Join(ulong low, ulong high) => new(high, low);
    }
}
