using System.Globalization;

namespace Mesh30K.Consistency.Time;

/// <summary>
/// One event of one writer: the number that the writer gave it, from 1. Written <c>142</c> for the writer without a name and
/// <c>142@code-intel</c> otherwise. Ordered by number, then writer: of two dots of one writer the smaller one came first; of two writers it says nothing.
/// </summary>
public readonly record struct Dot(long Number, ReplicaId Writer) : IComparable<Dot>
{
    /// <summary>Reads <c>142</c> or <c>142@code-intel</c>: no sign, no leading zero, at most 18 digits.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Dot dot)
    {
        dot = default;
        int at = text.IndexOf('@');
        ReadOnlySpan<char> digits = at < 0 ? text : text[..at];
        if (digits.Length is 0 or > 18 || digits[0] == '0' || digits.ContainsAnyExceptInRange('0', '9')) return false;
        ReplicaId writer = default;
        if (at >= 0 && !ReplicaId.TryParse(text[(at + 1)..].ToString(), out writer)) return false;
        dot = new Dot(long.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture), writer);
        return true;
    }

    public int CompareTo(Dot other) => Number != other.Number ? Number.CompareTo(other.Number) : Writer.CompareTo(other.Writer);

    public static bool operator <(Dot a, Dot b) => a.CompareTo(b) < 0;

    public static bool operator >(Dot a, Dot b) => a.CompareTo(b) > 0;

    public static bool operator <=(Dot a, Dot b) => a.CompareTo(b) <= 0;

    public static bool operator >=(Dot a, Dot b) => a.CompareTo(b) >= 0;

    public override string ToString() =>
        Writer.IsNone ? Number.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{Number}@{Writer}");
}
