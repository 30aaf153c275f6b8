using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>Items on their way out, each after its length (4 bytes, little-endian). One owner at a time.</summary>
internal sealed class LinkBuffer : IBufferWriter<byte>
{
    private const int KeepBytesMax = 1 << 20;

    private byte[] _bytes = new byte[4_096];
    private int _count;
    private int _begun;

    internal int Count => _count;

    internal ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _count);

    internal LinkBuffer Begin(byte kind)
    {
        _begun = _count;
        Reserve(5);
        _count += 4;
        _bytes[_count++] = kind;
        return this;
    }

    internal void End() => BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(_begun), _count - _begun - 4);

    internal LinkBuffer Number(long value)
    {
        Reserve(8);
        BinaryPrimitives.WriteInt64LittleEndian(_bytes.AsSpan(_count), value);
        _count += 8;
        return this;
    }

    /// <summary>Texts are short: reasons, names. What is longer than 1,000 characters is cut.</summary>
    internal LinkBuffer Text(string? text)
    {
        ReadOnlySpan<char> cut = text.AsSpan(0, Math.Min(text?.Length ?? 0, LinkReader.TextCharsMax));
        Reserve(4 + (cut.Length * 3));
        int bytes = Encoding.UTF8.GetBytes(cut, _bytes.AsSpan(_count + 4));
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(_count), bytes);
        _count += 4 + bytes;
        return this;
    }

    internal void Clear()
    {
        _count = 0;
        if (_bytes.Length > KeepBytesMax) _bytes = new byte[4_096]; // a rare large item must not stay
    }

    public void Advance(int count) => _count += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _bytes.AsMemory(_count);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _bytes.AsSpan(_count);
    }

    private void Reserve(int bytes)
    {
        if (_bytes.Length - _count < bytes) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _count + bytes));
    }
}

/// <summary>What came over a link is none of this version. The link is closed with this reason.</summary>
internal sealed class LinkFormatException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Takes apart what <see cref="LinkBuffer"/> wrote; throws <see cref="LinkFormatException"/> for anything else.</summary>
internal ref struct LinkReader(ReadOnlySpan<byte> bytes)
{
    internal const int TextCharsMax = 1_000;

    private ReadOnlySpan<byte> _rest = bytes;

    internal readonly bool IsAtEnd => _rest.IsEmpty;

    /// <summary>What is left.</summary>
    internal readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>How many bytes the items take that go together into so many; at least the first one's.</summary>
    internal static int ItemsWithin(ReadOnlySpan<byte> items, int bytesMax)
    {
        int together = 0;
        while (together < items.Length)
        {
            int end = together + 4 + BinaryPrimitives.ReadInt32LittleEndian(items[together..]);
            if (end > bytesMax && together > 0) break;
            together = end;
        }
        return together;
    }

    /// <summary>The next item: its kind, and its fields.</summary>
    internal (byte Kind, int Length) Item(out LinkReader fields)
    {
        int length = Int();
        if (length < 1 || length > _rest.Length) throw new LinkFormatException("an item is longer than its message, or empty");
        fields = new LinkReader(_rest[1..length]);
        byte kind = _rest[0];
        _rest = _rest[length..];
        return (kind, length);
    }

    internal long Number()
    {
        if (_rest.Length < 8) throw new LinkFormatException("an item ends inside a number");
        long value = BinaryPrimitives.ReadInt64LittleEndian(_rest);
        _rest = _rest[8..];
        return value;
    }

    internal int Number(int least, int most) =>
        Number() is var value && value >= least && value <= most ? (int)value : throw new LinkFormatException("an item has a number out of range");

    internal string Text()
    {
        int length = Int();
        if (length < 0 || length > _rest.Length || length > 3 * TextCharsMax) throw new LinkFormatException("an item ends inside a text, or has too long a one");
        string text = Encoding.UTF8.GetString(_rest[..length]);
        _rest = _rest[length..];
        return text;
    }

    internal readonly void End()
    {
        if (!_rest.IsEmpty) throw new LinkFormatException("an item is longer than its kind");
    }

    private int Int()
    {
        if (_rest.Length < 4) throw new LinkFormatException("a message ends inside an item");
        int value = BinaryPrimitives.ReadInt32LittleEndian(_rest);
        _rest = _rest[4..];
        return value;
    }
}
