using System.Text;
using System.Text.Unicode;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Eventual;

/// <summary>
/// Reads what <see cref="CrdtWriter"/> wrote. Failure sticks: from the first byte that is wrong on, everything reads as empty and
/// <see cref="Failed"/> holds. Takes memory in proportion to its input only.
/// </summary>
public ref struct CrdtReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public bool Failed { get; private set; }

    public readonly bool AtEnd => _rest.IsEmpty;

    /// <summary>Fails unless <paramref name="holds"/>; false from the first failure on.</summary>
    public bool Require(bool holds)
    {
        if (holds) return !Failed;
        Failed = true;
        _rest = default;
        return false;
    }

    public void Tag(byte tag)
    {
        if (Require(_rest.Length > 0 && _rest[0] == tag)) _rest = _rest[1..];
    }

    /// <summary>A number of 0 to <paramref name="most"/>.</summary>
    public long Number(long most = long.MaxValue)
    {
        long number = 0;
        for (int at = 0; at < 9 && at < _rest.Length; at++)
        {
            byte part = _rest[at];
            number |= (long)(part & 0x7F) << (7 * at);
            if (part >= 0x80) continue;
            if (!Require(number <= most && (part != 0 || at == 0))) return 0;
            _rest = _rest[(at + 1)..];
            return number;
        }
        Require(false);
        return 0;
    }

    /// <summary>How many elements follow; fails when the rest is too short for them.</summary>
    /// <param name="bytesEach">The least that an element takes, at least 1.</param>
    public int Count(int bytesEach) => (int)Number(_rest.Length / bytesEach);

    public string Text()
    {
        int length = (int)Number(_rest.Length);
        if (!Require(length <= _rest.Length)) return "";
        ReadOnlySpan<byte> text = _rest[..length];
        if (!Require(Utf8.IsValid(text) && Encoding.UTF8.GetCharCount(text) <= Crdt.TextCharsMax)) return "";
        _rest = _rest[length..];
        return Encoding.UTF8.GetString(text);
    }

    /// <summary>A text that follows <paramref name="before"/> in ordinal order; null: the first one.</summary>
    public string TextAfter(string? before)
    {
        string text = Text();
        return Require(before is null || string.CompareOrdinal(before, text) < 0) ? text : "";
    }

    public Dot Dot()
    {
        Dot dot = new(Number(DotContext.NumberMax), Replica());
        Require(dot.Number > 0);
        return dot;
    }

    public Hlc Stamp() => new(Number(Hlc.MsMax), (int)Number(Hlc.CounterMax), Replica());

    private ReplicaId Replica()
    {
        string name = Text();
        if (name.Length == 0) return ReplicaId.None;
        Require(ReplicaId.TryParse(name, out ReplicaId replica));
        return replica;
    }
}
