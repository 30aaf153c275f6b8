using Mesh30K.Consistency.Eventual;

namespace Mesh30K.Simulation.Laws;

/// <summary>The laws of every <see cref="ICrdt{TSelf}"/> on given states. Each throws <see cref="BrokenLawException"/>.</summary>
internal static class LawChecks
{
    public static void Algebra<T>(T a, T b, T c)
        where T : class, ICrdt<T>, new()
    {
        T ab = Join(a, b);
        T bc = Join(b, c);
        T ac = Join(a, c);
        Hold(ab.SameAs(Join(b, a)) && bc.SameAs(Join(c, b)) && ac.SameAs(Join(c, a)), "commutative");
        T abc = Join(ab, c);
        Hold(abc.SameAs(Join(a, bc)) && abc.SameAs(Join(b, ac)), "associative");
        Hold(Join(a, a).SameAs(a) && Join(ab, ab).SameAs(ab), "idempotent");
        Hold(Join(ab, a).SameAs(ab) && Join(ab, b).SameAs(ab) && Join(abc, ac).SameAs(abc), "monotone: a ⊑ a ⊔ b");
        Hold(Join(a, new T()).SameAs(a) && Join(new T(), a).SameAs(a) && new T().IsBottom && (a.IsBottom == a.SameAs(new T())), "⊥ is neutral");
        Hold(abc.Encode().AsSpan().SequenceEqual(Join(c, Join(b, a)).Encode()), "equal states have equal bytes");
    }

    public static void Encoding<T>(T state, int pick)
        where T : class, ICrdt<T>, new()
    {
        byte[] bytes = state.Encode();
        Hold(Crdt.TryDecode(bytes, out T? read) && read.SameAs(state) && read.Encode().AsSpan().SequenceEqual(bytes), "decode(encode(a)) = a");
        Hold(!Crdt.TryDecode<T>(bytes.AsSpan(0, pick % bytes.Length), out _), "a cut encoding is refused");
        Hold(!Crdt.TryDecode<T>([.. bytes, 0], out _), "an encoding with more behind it is refused");
        int at = pick % bytes.Length;
        ReadsOnlyCanonical<T>([.. bytes[..at], (byte)(bytes[at] | 0x80), 0, .. bytes[(at + 1)..]]); // a number spelled longer than it needs
        bytes[at] ^= (byte)(1 << (pick % 8));
        ReadsOnlyCanonical<T>(bytes);
    }

    private static void ReadsOnlyCanonical<T>(byte[] bytes)
        where T : class, ICrdt<T>, new()
    {
        if (Crdt.TryDecode(bytes, out T? other)) Hold(other.Encode().AsSpan().SequenceEqual(bytes), "only canonical bytes are read");
    }

    /// <summary>a ⊔ b, with neither changed.</summary>
    public static T Join<T>(T a, T b)
        where T : class, ICrdt<T>, new() => Crdt.Join(a, b);

    public static void Hold(bool holds, string law, string detail = "")
    {
        if (!holds) throw new BrokenLawException(law, detail);
    }
}
