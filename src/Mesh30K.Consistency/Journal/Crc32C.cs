using System.Buffers.Binary;
using System.Numerics;

namespace Mesh30K.Consistency.Journal;

/// <summary>CRC-32C (Castagnoli; RFC 3720, appendix B.4), by the processor's instruction where it has one.</summary>
public static class Crc32C
{
    /// <summary>
    /// The checksum of the bytes; with <paramref name="before"/>, the checksum of what gave that checksum followed by these bytes:
    /// <c>Of(b, Of(a))</c> is the checksum of a and b together.
    /// </summary>
    public static uint Of(ReadOnlySpan<byte> bytes, uint before = 0)
    {
        uint crc = ~before;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte b in bytes) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }
}
