using System.Numerics;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>Which 32 bytes may be a key.</summary>
public sealed class Ed25519KeyRulesTests
{
    [Fact]
    public void Every_encoding_of_every_point_of_small_order_is_refused()
    {
        HashSet<BigInteger> heights = [.. CurveModel.SmallOrderPoints().Select(p => p.Y)];
        Assert.Equal(5, heights.Count);
        // A y below 19 has a second text, y + p, in 255 bits; the sign bit may be anything, also where x is 0.
        BigInteger[] texts = [.. heights, .. heights.Select(y => y + CurveModel.P).Where(y => y < BigInteger.Pow(2, 255))];
        Assert.Equal(7, texts.Length);
        foreach (BigInteger y in texts)
            foreach (int bit in (int[])[0, 1])
                Assert.Contains("small order", Fault(CurveModel.Encode(y, bit)), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_encoding_that_is_not_canonical_is_refused()
    {
        for (BigInteger y = CurveModel.P; y < BigInteger.Pow(2, 255); y++)
            foreach (int bit in (int[])[0, 1])
                Assert.NotNull(Fault(CurveModel.Encode(y, bit)));
        Assert.Contains("canonical", Fault(CurveModel.Encode(CurveModel.P + 3, 0)), StringComparison.Ordinal);
    }

    [Fact]
    public void Points_of_the_curve_are_taken_and_all_else_is_refused()
    {
        Random r = new(8841);
        byte[] bytes = new byte[32];
        int taken = 0;
        for (int i = 0; i < 1000; i++)
        {
            r.NextBytes(bytes);
            byte[] masked = [.. bytes];
            masked[31] &= 0x7F;
            bool on = CurveModel.X(new BigInteger(masked, isUnsigned: true), bytes[31] >> 7) is not null;
            string? fault = Ed25519PublicKey.TryCreate(bytes, out Ed25519PublicKey? key);
            Assert.True(on == (fault is null), $"seed 8841, number {i}: {fault}");
            Assert.Equal(on, key is not null);
            if (on) taken++;
            else Assert.Contains("not a point", fault, StringComparison.Ordinal);
        }
        Assert.InRange(taken, 400, 600);
    }

    [Fact]
    public void Small_numbers_are_judged_as_the_model_judges_them()
    {
        for (int y = 2; y < 300; y++) Assert.Equal(CurveModel.X(y, 0) is not null, Fault(CurveModel.Encode(y, 0)) is null);
    }

    [Fact]
    public void A_text_has_one_form()
    {
        using Ed25519PrivateKey made = Ed25519PrivateKey.Generate();
        string text = made.PublicKey.ToString();
        Assert.Equal(43, text.Length);
        Assert.Null(Ed25519PublicKey.TryParse(text, out Ed25519PublicKey? key));
        Assert.Equal(made.PublicKey, key);
        Assert.Equal(made.PublicKey.GetHashCode(), key!.GetHashCode());

        const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        string stray = text[..^1] + alphabet[alphabet.IndexOf(text[^1], StringComparison.Ordinal) | 1];
        foreach (string? bad in (string?[])[null, "", text + "=", text + " ", " " + text[..^1], text[..^1], text + "A", stray, text[..^1] + "+", text[..20] + "\n" + text[20..], new string('é', 43), new string('A', 100_000)])
            Assert.Contains("base64url", Ed25519PublicKey.TryParse(bad, out _), StringComparison.Ordinal);
        foreach (int length in (int[])[0, 31, 33, 64]) Assert.Contains("32 bytes", Fault(new byte[length]), StringComparison.Ordinal);
    }

    private static string? Fault(byte[] bytes)
    {
        string? fault = Ed25519PublicKey.TryCreate(bytes, out Ed25519PublicKey? key);
        Assert.Equal(fault is null, key is not null);
        return fault;
    }
}
