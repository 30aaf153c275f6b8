using System.Numerics;
using System.Security.Cryptography;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>Keys and signatures, good and bad in every way that the curve knows, and their judgement by <see cref="CurveModel"/>.</summary>
internal static class SignatureCases
{
    private static readonly (BigInteger X, BigInteger Y)[] Small = [.. CurveModel.SmallOrderPoints()];
    private static readonly (BigInteger X, BigInteger Y) Base = BasePoint();

    internal static (string What, byte[] PublicKey, byte[] Message, byte[] Signature) Next(Random r)
    {
        byte[] message = new byte[r.Next(80)];
        r.NextBytes(message);
        BigInteger secret = Number(r) % CurveModel.L, nonce = Number(r) % CurveModel.L;
        (BigInteger, BigInteger) torsionOfKey = r.Next(3) == 0 ? Small[r.Next(8)] : (0, 1), torsionOfR = r.Next(3) == 0 ? Small[r.Next(8)] : (0, 1);
        byte[] publicKey = Encode(CurveModel.Add(CurveModel.Times(secret, Base), torsionOfKey));
        (BigInteger, BigInteger) point = CurveModel.Add(CurveModel.Times(nonce, Base), torsionOfR);
        string what = $"torsion {torsionOfKey}, {torsionOfR}";
        byte[] commitment = Encode(point);
        if (r.Next(6) == 0) (what, commitment, nonce) = SmallR(r);
        BigInteger h = Hash(commitment, publicKey, message);
        byte[] signature = [.. commitment, .. Bytes((nonce + (h * secret)) % CurveModel.L)];
        switch (r.Next(5))
        {
            case 0:
                int bit = r.Next(512);
                signature[bit / 8] ^= (byte)(1 << (bit % 8));
                return ($"bit {bit} of the signature; {what}", publicKey, message, signature);
            case 1:
                return (Shifted(r, signature, what), publicKey, message, signature);
            case 2 when message.Length > 0:
                message[r.Next(message.Length)] ^= (byte)(1 << r.Next(8));
                return ($"another message; {what}", publicKey, message, signature);
            default:
                return (what, publicKey, message, signature);
        }
    }

    /// <summary>RFC 8032, 5.1.7 with the bytes of R compared, S below L, and nothing of small order; or, with a cofactor of 8, both sides multiplied by it.</summary>
    internal static bool Model(byte[] publicKey, byte[] message, byte[] signature, int cofactor = 1)
    {
        BigInteger s = new(signature.AsSpan(32), isUnsigned: true);
        if (s >= CurveModel.L || Decode(publicKey) is not { } a || Decode(signature.AsSpan(0, 32)) is not { } r || Small.Contains(a) || Small.Contains(r)) return false;
        BigInteger h = Hash(signature.AsSpan(0, 32), publicKey, message);
        (BigInteger, BigInteger) left = CurveModel.Times(s, Base), right = CurveModel.Add(r, CurveModel.Times(h, a));
        return CurveModel.Times(cofactor, left) == CurveModel.Times(cofactor, right);
    }

    /// <summary>A commitment that is a small point in any of its encodings. With a nonce of 0 the equation holds without the cofactor for the neutral one.</summary>
    private static (string What, byte[] Commitment, BigInteger Nonce) SmallR(Random r)
    {
        (BigInteger x, BigInteger y) = r.Next(2) == 0 ? (0, 1) : Small[r.Next(8)];
        bool twice = y < 19 && r.Next(2) == 0;
        int sign = x.IsZero ? r.Next(2) : x.IsEven ? 0 : 1;
        return ($"R is of small order{(twice ? ", not canonical" : "")}, sign {sign}", CurveModel.Encode(twice ? y + CurveModel.P : y, sign), 0);
    }

    /// <summary>S and a multiple of L, or S at an edge.</summary>
    private static string Shifted(Random r, byte[] signature, string what)
    {
        BigInteger s = new(signature.AsSpan(32), isUnsigned: true);
        BigInteger[] others = [s + CurveModel.L, s + (CurveModel.L * r.Next(2, 15)), CurveModel.L, CurveModel.L - 1, CurveModel.L + 1, 0, BigInteger.Pow(2, 252), BigInteger.Pow(2, 253), BigInteger.Pow(2, 256) - 1];
        BigInteger other = others[r.Next(others.Length)];
        Bytes(other).CopyTo(signature, 32);
        return $"S is {other}; {what}";
    }

    private static (BigInteger X, BigInteger Y)? Decode(ReadOnlySpan<byte> bytes)
    {
        byte[] masked = bytes.ToArray();
        int sign = masked[31] >> 7;
        masked[31] &= 0x7F;
        BigInteger y = new(masked, isUnsigned: true);
        return y < CurveModel.P && CurveModel.X(y, sign) is { } x ? (x, y) : null;
    }

    private static (BigInteger X, BigInteger Y) BasePoint()
    {
        // 4/5 and the even x: RFC 8032, 5.1.
        BigInteger y = 4 * BigInteger.ModPow(5, CurveModel.P - 2, CurveModel.P) % CurveModel.P;
        return (CurveModel.X(y, 0)!.Value, y);
    }

    private static BigInteger Hash(ReadOnlySpan<byte> commitment, byte[] publicKey, byte[] message) =>
        new BigInteger(SHA512.HashData([.. commitment, .. publicKey, .. message]), isUnsigned: true) % CurveModel.L;

    private static byte[] Encode((BigInteger X, BigInteger Y) point) => CurveModel.Encode(point.Y, point.X.IsEven ? 0 : 1);

    private static byte[] Bytes(BigInteger value)
    {
        byte[] bytes = new byte[32];
        _ = value.TryWriteBytes(bytes, out _, isUnsigned: true);
        return bytes;
    }

    private static BigInteger Number(Random r)
    {
        byte[] bytes = new byte[40];
        r.NextBytes(bytes);
        return new BigInteger(bytes, isUnsigned: true);
    }
}
