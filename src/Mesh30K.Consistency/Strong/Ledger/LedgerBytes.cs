using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>Bytes that are no command or snapshot of this version: a bug, or written by a newer one. Damage is ruled out by the checksum of whoever kept them.</summary>
public sealed class LedgerFormatException(string message) : Exception(message + "; written by a newer mesh?")
{
    internal static void Require([DoesNotReturnIf(false)] bool condition, string message)
    {
        if (!condition) throw new LedgerFormatException(message);
    }
}

/// <summary>Writes canonical bytes: numbers as the shortest LEB128, texts and bytes after their length, hashes as 32 bytes.</summary>
internal readonly struct LedgerWriter(IBufferWriter<byte> to)
{
    /// <summary>A number from 0.</summary>
    public LedgerWriter Number(long number)
    {
        Span<byte> span = to.GetSpan(10);
        int length = 0;
        ulong rest = (ulong)number;
        for (; rest >= 0x80; rest >>= 7) span[length++] = (byte)(rest | 0x80);
        span[length++] = (byte)rest;
        to.Advance(length);
        return this;
    }

    public LedgerWriter Flag(bool flag) => Number(flag ? 1 : 0);

    public LedgerWriter At(Instant at) => Number(at.Ticks);

    public LedgerWriter Span(TimeSpan span) => Number(span.Ticks);

    public LedgerWriter Text(string text)
    {
        int bytes = Encoding.UTF8.GetByteCount(text);
        Number(bytes);
        to.Advance(Encoding.UTF8.GetBytes(text, to.GetSpan(bytes)));
        return this;
    }

    /// <summary>A text that is never empty when it is there.</summary>
    public LedgerWriter Optional(string? text) => Text(text ?? "");

    public LedgerWriter Bytes(ReadOnlyMemory<byte> bytes)
    {
        Number(bytes.Length);
        to.Write(bytes.Span);
        return this;
    }

    public LedgerWriter Hash(PayloadHash hash)
    {
        hash.WriteBytes(to.GetSpan(32));
        to.Advance(32);
        return this;
    }
}

/// <summary>Takes apart what <see cref="LedgerWriter"/> wrote, and throws <see cref="LedgerFormatException"/> for anything that it would not have written. Takes memory in proportion to its input only.</summary>
internal ref struct LedgerReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public long Number(long most = long.MaxValue)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            Require(!_rest.IsEmpty && shift < 63, "ends inside a number");
            byte next = _rest[0];
            _rest = _rest[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if (next >= 0x80) continue;
            Require((next != 0 || shift == 0) && value <= (ulong)most, "has a number out of range");
            return (long)value;
        }
    }

    public int Number(int most) => (int)Number((long)most);

    public bool Flag() => Number(1L) == 1;

    public Instant At() => new(Number(LedgerLimits.TicksMax));

    public TimeSpan Span() => new(Number(LedgerLimits.SpanMax.Ticks));

    public string Text()
    {
        ReadOnlySpan<byte> text = Take();
        Require(Utf8.IsValid(text), "has text that is no UTF-8");
        return Encoding.UTF8.GetString(text);
    }

    /// <summary>A name, or nothing.</summary>
    public string? Optional()
    {
        string name = Text();
        Require(name.Length == 0 || LedgerRules.IsName(name), "has a name that is none");
        return name.Length == 0 ? null : name;
    }

    public string Note()
    {
        string note = Text();
        Require(LedgerRules.IsNote(note), "has a note that is none");
        return note;
    }

    /// <summary>A text that is a name of a command, too.</summary>
    public string Name()
    {
        string name = Text();
        Require(LedgerRules.IsName(name), "has a name that is none");
        return name;
    }

    /// <summary>A number from 1 that was counted up to <paramref name="last"/>.</summary>
    public long Given(long last)
    {
        long number = Number(last);
        Require(number > 0, "has a number that was never given");
        return number;
    }

    public byte[] Bytes(int most)
    {
        ReadOnlySpan<byte> taken = Take();
        Require(taken.Length <= most, "has more bytes than may be");
        return taken.ToArray();
    }

    public PayloadHash Hash()
    {
        Require(_rest.Length >= 32, "ends inside a hash");
        PayloadHash hash = PayloadHash.FromBytes(_rest);
        _rest = _rest[32..];
        return hash;
    }

    /// <summary>How many things follow, each of at least one byte.</summary>
    public int Count() => (int)Number((long)_rest.Length);

    public readonly void End() => Require(_rest.IsEmpty, "goes on after its end");

    private static void Require([DoesNotReturnIf(false)] bool condition, string what) => LedgerFormatException.Require(condition, "what a ledger wrote " + what);

    private ReadOnlySpan<byte> Take()
    {
        int length = Count();
        Require(length <= _rest.Length, "ends inside a text");
        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }
}
