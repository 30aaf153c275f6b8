using System.Buffers;
using System.Text;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Eventual;

/// <summary>Writes canonical bytes: numbers as the shortest LEB128, texts as their length in bytes and UTF-8.</summary>
public sealed class CrdtWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new(256);

    public void Tag(byte tag)
    {
        _bytes.GetSpan(1)[0] = tag;
        _bytes.Advance(1);
    }

    /// <summary>A number of 0 or more.</summary>
    public void Number(long number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        Span<byte> to = _bytes.GetSpan(9);
        int length = 0;
        for (; number >= 0x80; number >>= 7) to[length++] = (byte)(number | 0x80);
        to[length++] = (byte)number;
        _bytes.Advance(length);
    }

    public void Text(string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        Number(length);
        Encoding.UTF8.GetBytes(text, _bytes.GetSpan(length));
        _bytes.Advance(length);
    }

    public void Dot(Dot dot)
    {
        Number(dot.Number);
        Text(dot.Writer.ToString());
    }

    public void Stamp(Hlc stamp)
    {
        Number(stamp.Ms);
        Number(stamp.Counter);
        Text(stamp.Replica.ToString());
    }

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();
}
