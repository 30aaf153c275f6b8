using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Mesh30K.Protocol.Identity;

/// <summary>
/// Makes message ids that strictly increase, also within one millisecond and when the clock steps back.
/// </summary>
/// <remarks>
/// The first id of a millisecond takes fresh randomness (SHA-256 over the seed and a counter, so that ids do not tell the seed); the next
/// ones of that millisecond count up by one. The topmost random bit starts at zero, which leaves 2^79 ids in a millisecond. When
/// <c>now</c> is before the last id's time, the last time is kept. Two sources must never have the same seed: the host draws it from the
/// operating system, a simulation from its own seed. One owner: the loop it lives on; not thread-safe.
/// </remarks>
public sealed class MessageIdSource
{
    public const int SeedLength = 16;

    private const int RandomBytes = 10;

    private readonly byte[] _seedAndCounter = new byte[SeedLength + sizeof(ulong)];
    private ulong _counter;
    private long _lastMs = -1;
    private UInt128 _random;

    /// <summary>A source seeded with one number, for simulations and tests.</summary>
    public MessageIdSource(ulong seed) => BinaryPrimitives.WriteUInt64BigEndian(_seedAndCounter, seed);

    /// <summary>A source seeded with 16 bytes. Throws when there are more or fewer.</summary>
    public MessageIdSource(ReadOnlySpan<byte> seed)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, SeedLength);
        seed.CopyTo(_seedAndCounter);
    }

    /// <summary>The next id. Throws when <paramref name="now"/> is before 1970 or after 10889: a bug.</summary>
    public MessageId Next(Instant now)
    {
        long ms = now.Ticks / Instant.TicksPerMs;
        ArgumentOutOfRangeException.ThrowIfNegative(now.Ticks, nameof(now));
        if (ms > _lastMs)
        {
            _lastMs = ms;
            _random = Draw();
        }
        else
        {
            _random++;
        }
        return MessageId.From(_lastMs, _random);
    }

    private UInt128 Draw()
    {
        BinaryPrimitives.WriteUInt64BigEndian(_seedAndCounter.AsSpan(SeedLength), _counter++);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(_seedAndCounter, hash);
        Span<byte> wide = stackalloc byte[MessageId.BytesLength];
        hash[..RandomBytes].CopyTo(wide[(MessageId.BytesLength - RandomBytes)..]);
        return BinaryPrimitives.ReadUInt128BigEndian(wide) & ((UInt128.One << 79) - 1);
    }
}
