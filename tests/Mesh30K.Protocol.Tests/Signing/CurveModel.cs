using System.Globalization;
using System.Numerics;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>The curve of Ed25519 written plainly from RFC 8032, section 5.1, and slow: what the product is held against.</summary>
internal static class CurveModel
{
    internal static readonly BigInteger P = BigInteger.Pow(2, 255) - 19;
    internal static readonly BigInteger L = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493", CultureInfo.InvariantCulture);
    private static readonly BigInteger D = Mod(-121665 * Inverse(121666));

    /// <summary>The x of a y, with the given lowest bit; null when there is none.</summary>
    internal static BigInteger? X(BigInteger y, int bit)
    {
        BigInteger square = Mod(((y * y) - 1) * Inverse((D * y * y) + 1));
        if (square.IsZero) return bit == 0 ? BigInteger.Zero : null;
        BigInteger x = BigInteger.ModPow(square, (P + 3) / 8, P);
        if (Mod((x * x) - square) != 0) x = Mod(x * BigInteger.ModPow(2, (P - 1) / 4, P));
        if (Mod((x * x) - square) != 0) return null;
        return (int)(x & 1) == bit ? x : P - x;
    }

    internal static (BigInteger X, BigInteger Y) Add((BigInteger X, BigInteger Y) a, (BigInteger X, BigInteger Y) b)
    {
        BigInteger both = Mod(D * a.X * b.X * a.Y * b.Y);
        return (Mod(((a.X * b.Y) + (b.X * a.Y)) * Inverse(1 + both)), Mod(((a.Y * b.Y) + (a.X * b.X)) * Inverse(1 - both)));
    }

    /// <summary>In fractions with one denominator each, so that there is one inversion at the end and not two for each of 500 additions.</summary>
    internal static (BigInteger X, BigInteger Y) Times(BigInteger n, (BigInteger X, BigInteger Y) a)
    {
        (BigInteger, BigInteger, BigInteger) sum = (0, 1, 1), power = (a.X, a.Y, 1);
        for (; n > 0; n >>= 1, power = AddFractions(power, power))
            if (!n.IsEven) sum = AddFractions(sum, power);
        BigInteger over = Inverse(sum.Item3);
        return (Mod(sum.Item1 * over), Mod(sum.Item2 * over));
    }

    /// <summary>The eight points whose order divides 8.</summary>
    internal static HashSet<(BigInteger X, BigInteger Y)> SmallOrderPoints()
    {
        HashSet<(BigInteger, BigInteger)> points = [];
        for (BigInteger y = 2; points.Count < 8; y++)
            if (X(y, 0) is { } x) points.Add(Times(L, (x, y)));
        return points;
    }

    /// <summary>32 bytes: y, which may be at least P, with a sign bit.</summary>
    internal static byte[] Encode(BigInteger y, int bit)
    {
        byte[] bytes = new byte[32];
        _ = y.TryWriteBytes(bytes, out _, isUnsigned: true);
        bytes[31] |= (byte)(bit << 7);
        return bytes;
    }

    /// <summary><see cref="Add"/> with x = X/Z and y = Y/Z, multiplied out.</summary>
    private static (BigInteger X, BigInteger Y, BigInteger Z) AddFractions((BigInteger X, BigInteger Y, BigInteger Z) a, (BigInteger X, BigInteger Y, BigInteger Z) b)
    {
        BigInteger z = Mod(a.Z * b.Z), square = Mod(z * z), both = Mod(D * Mod(a.X * b.X) * Mod(a.Y * b.Y));
        BigInteger plus = Mod(square + both), minus = Mod(square - both);
        return (Mod(z * minus * ((a.X * b.Y) + (b.X * a.Y))), Mod(z * plus * ((a.Y * b.Y) + (a.X * b.X))), Mod(plus * minus));
    }

    private static BigInteger Inverse(BigInteger a) => BigInteger.ModPow(Mod(a), P - 2, P);

    private static BigInteger Mod(BigInteger a) => ((a % P) + P) % P;
}
