using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Mesh30K.Consistency.Eventual;

/// <summary>
/// A state-based replicated type (Shapiro et al. 2011) with delta states (Almeida, Shoker, Baquero, "Delta state replicated data types", 2018).
/// States form a join-semilattice, <see cref="Merge"/> is its join ⊔, and <c>new TSelf()</c> its bottom ⊥. For all states a, b, c:
/// <list type="bullet">
/// <item>commutative: a ⊔ b = b ⊔ a; associative: (a ⊔ b) ⊔ c = a ⊔ (b ⊔ c); idempotent: a ⊔ a = a; a ⊔ ⊥ = a;</item>
/// <item>monotone: with a ⊑ b for a ⊔ b = b, a ⊑ a ⊔ b, and a mutator only goes up;</item>
/// <item>delta: a mutator m returns a state d of the same type with a ⊔ d = m(a), so joining deltas, in any order and however often,
/// is joining full states.</item>
/// </list>
/// <c>mesh verify crdt</c> checks them. Keys and values are strings without lone surrogates, at most <see cref="Crdt.TextCharsMax"/> characters,
/// compared by ordinal; a mutator throws for others. Not thread-safe: one owner. A merge is never refused and never cut, since either would
/// break the laws: whoever takes states from others bounds them where they come in.
/// </summary>
/// <typeparam name="TSelf">The type itself.</typeparam>
public interface ICrdt<TSelf>
    where TSelf : class, ICrdt<TSelf>, new()
{
    /// <summary>Whether this is ⊥: nothing was ever written.</summary>
    bool IsBottom { get; }

    /// <summary>Makes this state a ⊔ <paramref name="other"/>, which stays as it is and shares nothing that can change. Whether this state changed.</summary>
    bool Merge(TSelf other);

    /// <summary>A state of its own with the same content.</summary>
    TSelf Clone();

    /// <summary>Whether both are the same element of the lattice; then they encode to the same bytes.</summary>
    bool SameAs(TSelf other);

    /// <summary>Appends the canonical encoding: one tag byte, then sorted content.</summary>
    void Write(CrdtWriter writer);

    /// <summary>Reads what <see cref="Write"/> wrote; null, with the reader failed, for anything else.</summary>
    static abstract TSelf? Read(ref CrdtReader reader);
}

/// <summary>What every <see cref="ICrdt{TSelf}"/> can do.</summary>
public static class Crdt
{
    /// <summary>Characters of a key or value.</summary>
    public const int TextCharsMax = 65_536;

    /// <summary>The canonical bytes: equal for equal states, whatever their history.</summary>
    public static byte[] Encode<T>(this T state)
        where T : class, ICrdt<T>, new()
    {
        ArgumentNullException.ThrowIfNull(state);
        CrdtWriter writer = new();
        state.Write(writer);
        return writer.ToArray();
    }

    /// <summary>Reads canonical bytes. False for anything that <see cref="Encode"/> would not have written: cut, too long, unsorted, not UTF-8, out of range.</summary>
    public static bool TryDecode<T>(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out T? state)
        where T : class, ICrdt<T>, new()
    {
        CrdtReader reader = new(bytes);
        T? read = T.Read(ref reader);
        state = reader is { Failed: false, AtEnd: true } ? read : null;
        return state is not null;
    }

    /// <summary>a ⊔ b as a new state.</summary>
    public static T Join<T>(T a, T b)
        where T : class, ICrdt<T>, new()
    {
        ArgumentNullException.ThrowIfNull(a);
        T joined = a.Clone();
        joined.Merge(b);
        return joined;
    }

    /// <summary>Throws for a text that a state cannot hold.</summary>
    internal static void RequireText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(text.Length, TextCharsMax);
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF')) return;
        for (ReadOnlySpan<char> rest = text; rest.Length > 0;)
        {
            if (System.Text.Rune.DecodeFromUtf16(rest, out _, out int chars) != OperationStatus.Done)
                throw new ArgumentException("a lone surrogate cannot be encoded", nameof(text));
            rest = rest[chars..];
        }
    }
}
