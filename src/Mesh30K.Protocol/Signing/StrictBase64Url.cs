using System.Buffers;
using System.Buffers.Text;

namespace Mesh30K.Protocol.Signing;

/// <summary>Base64url (RFC 4648, section 5) without padding, read strictly: some bytes have exactly one text. Never throws.</summary>
internal static class StrictBase64Url
{
    private const int BytesMax = 64;

    /// <summary>Fills <paramref name="bytes"/> (at most 64), or says that the text is not exactly theirs: no padding, no spaces, no stray bits at the end.</summary>
    internal static bool TryDecode(ReadOnlySpan<byte> text, Span<byte> bytes)
    {
        int length = Base64Url.GetEncodedLength(bytes.Length);
        if (bytes.Length > BytesMax || text.Length != length) return false;
        if (Base64Url.DecodeFromUtf8(text, bytes, out _, out int written) != OperationStatus.Done || written != bytes.Length) return false;
        // .NET reads spaces and stray bits as well: only what it would write itself is taken.
        Span<byte> again = stackalloc byte[Base64Url.GetEncodedLength(BytesMax)];
        return Base64Url.EncodeToUtf8(bytes, again[..length]) == length && text.SequenceEqual(again[..length]);
    }

    internal static bool TryDecode(string? text, Span<byte> bytes)
    {
        if (text is null || text.Length > Base64Url.GetEncodedLength(BytesMax)) return false;
        Span<byte> ascii = stackalloc byte[Base64Url.GetEncodedLength(BytesMax)];
        return System.Text.Ascii.FromUtf16(text, ascii, out int written) == OperationStatus.Done && TryDecode(ascii[..written], bytes);
    }
}
