using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Eventual;

/// <summary>A write of a register or of a map's key, ordered by (timestamp, value): the later one wins, so that even two values under one timestamp converge.</summary>
/// <param name="At">When and by whom.</param>
/// <param name="Value">What; null for a removal, which loses against a value of the same timestamp.</param>
public readonly record struct LwwCell(Hlc At, string? Value)
{
    /// <summary>Whether this write wins over <paramref name="other"/>.</summary>
    public bool Beats(LwwCell other) => At != other.At ? At > other.At : string.CompareOrdinal(Value, other.Value) > 0;
}

/// <summary>One value; the last writer wins (Shapiro et al. 2011, section 3.2.1).</summary>
public sealed class LwwRegister : ICrdt<LwwRegister>
{
    private const byte FormatTag = (byte)'R';

    private LwwCell _cell;

    public bool IsBottom => _cell.Value is null;

    /// <summary>The value; null when nothing was ever written.</summary>
    public string? Value => _cell.Value;

    /// <summary>When the value was written, and by whom.</summary>
    public Hlc At => _cell.At;

    /// <summary>Writes; changes nothing when a later write is known.</summary>
    public LwwRegister Set(string value, Hlc at)
    {
        Crdt.RequireText(value);
        LwwRegister delta = new() { _cell = new LwwCell(at, value) };
        Merge(delta);
        return delta;
    }

    public bool Merge(LwwRegister other)
    {
        ArgumentNullException.ThrowIfNull(other);
        bool changes = other._cell.Beats(_cell);
        if (changes) _cell = other._cell;
        return changes;
    }

    public LwwRegister Clone() => new() { _cell = _cell };

    public bool SameAs(LwwRegister other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return _cell == other._cell;
    }

    public void Write(CrdtWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Tag(FormatTag);
        writer.Number(IsBottom ? 0 : 1);
        if (_cell.Value is null) return;
        writer.Stamp(_cell.At);
        writer.Text(_cell.Value);
    }

    public static LwwRegister? Read(ref CrdtReader reader)
    {
        reader.Tag(FormatTag);
        LwwRegister read = new();
        if (reader.Number(1) == 1) read._cell = new LwwCell(reader.Stamp(), reader.Text());
        return reader.Failed ? null : read;
    }
}
