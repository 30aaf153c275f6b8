using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Unicode;
using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Causal;

/// <summary>
/// What a channel's record says. A kind's layout never changes: another layout is another kind. Numbers are varints (7 bits a byte, low first), texts
/// UTF-8 after their length, a text that may be missing after its length + 1, dots a number and a writer, moments ticks since 1970.
/// </summary>
internal enum RecordKind : byte
{
    None = 0,

    /// <summary>at, entries: each after what it depends on.</summary>
    Pushed = 1,

    /// <summary>agent, lease until, first token, dots: one token each, ascending.</summary>
    Claimed = 2,

    /// <summary>dot, lease until.</summary>
    Renewed = 3,

    /// <summary>dot, lease until, data.</summary>
    Checkpointed = 4,

    /// <summary>dot, at, result.</summary>
    Completed = 5,

    /// <summary>dot, at, reason: for good.</summary>
    Failed = 6,

    /// <summary>dot, due, reason: to be tried again.</summary>
    Postponed = 7,

    /// <summary>dot.</summary>
    Released = 8,

    /// <summary>at, reason, dots.</summary>
    Cancelled = 9,

    /// <summary>dot.</summary>
    Reopened = 10,

    /// <summary>dot, at: the lease ran out; back to ready, or failed when no attempt is left.</summary>
    LeaseExpired = 11,

    /// <summary>dot: the retry is due.</summary>
    RetryDue = 12,

    /// <summary>count: that many of those that ended first leave, of those on which nothing open depends.</summary>
    Retired = 13,

    /// <summary>at, entries as in <see cref="Pushed"/>, each with its result; then how entries of these or of the channel ended elsewhere: dot, end, result, ascending.</summary>
    Imported = 14,

    /// <summary>Begins a snapshot: last token, endings, retired, writers with what was seen of them and what is forgotten.</summary>
    SnapshotHead = 32,

    /// <summary>writer, ranges.</summary>
    SnapshotRanges = 33,

    /// <summary>One entry with its state.</summary>
    SnapshotEntry = 34,

    /// <summary>Ends a snapshot: how many entries it had.</summary>
    SnapshotEnd = 35,
}

/// <summary>A record that this channel cannot take: a bug, or one that a newer version wrote. The journal's checksum rules out damage.</summary>
public sealed class ChannelRecordException(string message) : Exception(message + "; written by a newer mesh?")
{
    [DoesNotReturn]
    internal static void Throw(string message) => throw new ChannelRecordException(message);

    internal static void Require([DoesNotReturnIf(false)] bool condition, string message)
    {
        if (!condition) Throw(message);
    }
}

/// <summary>Builds a record in a buffer that is used again for the next one.</summary>
internal sealed class RecordWriter
{
    private const int KeptBytesMax = 1 << 20;
    private byte[] _bytes = new byte[512];
    private int _length;

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _length);

    public RecordWriter Clear()
    {
        if (_bytes.Length > KeptBytesMax) _bytes = new byte[512];
        _length = 0;
        return this;
    }

    public RecordWriter Number(long value)
    {
        Reserve(10);
        ulong rest = (ulong)value;
        for (; rest >= 0x80; rest >>= 7) _bytes[_length++] = (byte)(rest | 0x80);
        _bytes[_length++] = (byte)rest;
        return this;
    }

    public RecordWriter At(Instant at) => Number(at.Ticks);

    public RecordWriter Text(string text)
    {
        int bytes = Encoding.UTF8.GetByteCount(text);
        Number(bytes);
        return Bytes(text, bytes);
    }

    public RecordWriter Optional(string? text)
    {
        if (text is null) return Number(0);
        int bytes = Encoding.UTF8.GetByteCount(text);
        Number(bytes + 1L);
        return Bytes(text, bytes);
    }

    public RecordWriter Dot(Dot dot) => Number(dot.Number).Text(dot.Writer.ToString());

    public RecordWriter Dots(ReadOnlySpan<Dot> dots)
    {
        Number(dots.Length);
        foreach (Dot dot in dots) Dot(dot);
        return this;
    }

    private RecordWriter Bytes(string text, int bytes)
    {
        Reserve(bytes);
        _length += Encoding.UTF8.GetBytes(text, _bytes.AsSpan(_length));
        return this;
    }

    private void Reserve(int bytes)
    {
        if (_bytes.Length - _length < bytes) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + bytes));
    }
}

/// <summary>Takes a record apart; throws <see cref="ChannelRecordException"/> for what <see cref="RecordWriter"/> would not have written.</summary>
internal ref struct RecordReader(ReadOnlySpan<byte> record, ChannelWriters writers)
{
    private ReadOnlySpan<byte> _rest = record;

    public long Number(long most = long.MaxValue)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            ChannelRecordException.Require(!_rest.IsEmpty && shift < 63, "a channel's record ends inside a number");
            byte next = _rest[0];
            _rest = _rest[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if (next >= 0x80) continue;
            ChannelRecordException.Require((next != 0 || shift == 0) && value <= (ulong)most, "a channel's record has a number out of range");
            return (long)value;
        }
    }

    /// <summary>How many things follow, each of at least one byte.</summary>
    public int Count() => (int)Number(_rest.Length);

    public Instant At() => new(Number(ChannelFields.TicksMax));

    public string Text() => Line(Number());

    public string? Optional() => Number() is > 0 and long bytes ? Line(bytes - 1) : null;

    public Dot Dot() => new(Number(ChannelFields.NumberMax) is > 0 and long number ? number : Zero(), Writer());

    public ReplicaId Writer()
    {
        ReadOnlySpan<byte> name = Take(Number());
        if (name.IsEmpty) return ReplicaId.None;
        ChannelRecordException.Require(name.Length <= ReplicaId.CharsMax && Ascii.IsValid(name), "a channel's record has a writer that is no name");
        Span<char> chars = stackalloc char[ReplicaId.CharsMax];
        Encoding.ASCII.GetChars(name, chars);
        if (writers.Find(chars[..name.Length]) is { } known) return known.Writer;
        ChannelRecordException.Require(ReplicaId.TryParse(chars[..name.Length].ToString(), out ReplicaId writer), "a channel's record has a writer that is no name");
        return writer;
    }

    /// <summary>Dots in strictly ascending order.</summary>
    public Dot[] Dots()
    {
        int count = Count();
        if (count == 0) return [];
        Dot[] dots = new Dot[count];
        for (int i = 0; i < count; i++)
        {
            dots[i] = Dot();
            ChannelRecordException.Require(i == 0 || dots[i - 1] < dots[i], "a channel's record has dots out of order");
        }
        return dots;
    }

    public VectorClock Clock()
    {
        int count = Count();
        if (count == 0) return VectorClock.Empty;
        Dot[] dots = new Dot[count];
        for (int i = 0; i < count; i++) dots[i] = Dot();
        ChannelRecordException.Require(VectorClock.TryCreate(dots, out VectorClock clock), "a channel's record has a clock out of order");
        return clock;
    }

    public readonly void End() => ChannelRecordException.Require(_rest.IsEmpty, "a channel's record is longer than its kind");

    private static long Zero()
    {
        ChannelRecordException.Throw("a channel's record has a number out of range");
        return 0;
    }

    private string Line(long bytes)
    {
        ReadOnlySpan<byte> text = Take(bytes);
        ChannelRecordException.Require(Utf8.IsValid(text), "a channel's record has text that is no UTF-8");
        string line = Encoding.UTF8.GetString(text);
        ChannelRecordException.Require(ChannelFields.IsLine(line), "a channel's record has a control character");
        return line;
    }

    private ReadOnlySpan<byte> Take(long bytes)
    {
        ChannelRecordException.Require(bytes <= _rest.Length, "a channel's record ends inside a text");
        ReadOnlySpan<byte> taken = _rest[..(int)bytes];
        _rest = _rest[(int)bytes..];
        return taken;
    }
}

/// <summary>What holds for every field of a channel, whatever its options.</summary>
internal static class ChannelFields
{
    /// <summary>18 digits, as <see cref="Dot"/> is written.</summary>
    public const long NumberMax = 999_999_999_999_999_999;

    /// <summary>The end of the year 9999.</summary>
    public static readonly long TicksMax = DateTime.MaxValue.Ticks - DateTime.UnixEpoch.Ticks;

    /// <summary>Control characters but tab, the two line separators of Unicode, and the halves of surrogate pairs, which are looked at closer.</summary>
    private static readonly SearchValues<char> Suspects = SearchValues.Create(
        [.. Enumerable.Range(0, char.MaxValue + 1).Select(c => (char)c).Where(c => (char.IsControl(c) && c != '\t') || c is '\u2028' or '\u2029' || char.IsSurrogate(c))]);

    /// <summary>Whether it stays one line in a file, and the same text after a journey through UTF-8.</summary>
    public static bool IsLine(ReadOnlySpan<char> text)
    {
        int at = text.IndexOfAny(Suspects);
        while (at >= 0)
        {
            if (!char.IsHighSurrogate(text[at]) || at + 1 == text.Length || !char.IsLowSurrogate(text[at + 1])) return false;
            text = text[(at + 2)..];
            at = text.IndexOfAny(Suspects);
        }
        return true;
    }
}
