using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// A signature of an HTTP request by Ed25519: the fields <c>Signature-Input</c> and <c>Signature</c> with one member each (RFC 9421; what is left out: <see cref="HttpSignatureInput"/>). Immutable, thread-safe. It says
/// that a key signed what <see cref="HttpSignatureInput.Components"/> name; whether that is enough, and in time, is for its reader to judge.
/// </summary>
/// <remarks>A signature base begins with a quote, and nothing else that an agent's key signs does: frames and proofs begin with <c>mesh30k-</c>. So none can be passed off as the other.</remarks>
public sealed class HttpSignature
{
    /// <summary>The algorithm's name (RFC 9421, section 3.3.6).</summary>
    public const string Algorithm = "ed25519";

    internal static readonly SearchValues<char> LineChars = SearchValues.Create([.. Enumerable.Range(' ', '~' - ' ' + 1).Select(c => (char)c), '\t']);

    private readonly byte[] _bytes;

    private HttpSignature(string label, HttpSignatureInput input, byte[] bytes) => (Label, Input, _bytes) = (label, input, bytes);

    /// <summary>What both fields call it.</summary>
    public string Label { get; }

    public HttpSignatureInput Input { get; }

    /// <summary>Signs; throws <see cref="ArgumentException"/> when the request does not have a component: a bug of the caller.</summary>
    public static HttpSignature Sign(HttpRequestHead request, HttpSignatureInput input, Ed25519PrivateKey key, string label = "sig1")
    {
        ArgumentNullException.ThrowIfNull(key);
        if (TryBase(request, input, out byte[] signed) is { } wrong) throw new ArgumentException(wrong, nameof(input));
        byte[] bytes = new byte[Ed25519PublicKey.SignatureBytes];
        key.Sign(signed, bytes);
        return new HttpSignature(label, input, bytes);
    }

    /// <summary>Reads both fields; says what is wrong, without repeating it, or null. Never throws, whatever the texts.</summary>
    public static string? TryParse(string? signatureInput, string? signature, out HttpSignature? read)
    {
        read = null;
        if (HttpSignatureInput.TryParse(signatureInput, out string label, out HttpSignatureInput? input) is { } wrong) return wrong;
        if (signature is null) return "there is no Signature";
        if (!HttpSignatureInput.TryLabel(signature, out string other, out ReadOnlySpan<char> value)) return "Signature does not begin with a label and =";
        if (other != label) return "Signature and Signature-Input have different labels";
        byte[] bytes = new byte[Ed25519PublicKey.SignatureBytes];
        if (!TryByteSequence(value, bytes)) return "Signature must be one signature: the base64 of 64 bytes between colons";
        read = new HttpSignature(label, input!, bytes);
        return null;
    }

    /// <summary>The bytes that are signed (RFC 9421, section 2.5); says which component the request does not have, or null.</summary>
    public static string? TryBase(HttpRequestHead request, HttpSignatureInput input, out byte[] signed)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(input);
        StringBuilder text = new();
        signed = [];
        foreach (string component in input.Components)
        {
            if (request.ValueOf(component) is not { } value) return $"the signature covers {component}, which the request does not have, or not in plain ASCII";
            text.Append('"').Append(component).Append("\": ").Append(value).Append('\n');
        }
        signed = Encoding.ASCII.GetBytes(text.Append("\"@signature-params\": ").Append(input.Text).ToString());
        return null;
    }

    /// <summary>Whether this key signed this request. Never throws, whatever it was read from.</summary>
    public bool Verify(HttpRequestHead request, Ed25519PublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return TryBase(request, Input, out byte[] signed) is null && key.Verify(signed, _bytes);
    }

    /// <summary>The value of the field <c>Signature-Input</c>.</summary>
    public string ToInputField() => $"{Label}={Input.Text}";

    /// <summary>The value of the field <c>Signature</c>.</summary>
    public string ToSignatureField() => $"{Label}=:{Convert.ToBase64String(_bytes)}:";

    public override string ToString() => ToInputField();

    /// <summary>Reads <c>:base64:</c> of exactly so many bytes; some bytes have one text.</summary>
    internal static bool TryByteSequence(ReadOnlySpan<char> text, Span<byte> bytes)
    {
        int length = (bytes.Length + 2) / 3 * 4;
        if (text.Length != length + 2 || text[0] != ':' || text[^1] != ':') return false;
        ReadOnlySpan<char> base64 = text[1..^1];
        // .NET reads spaces and stray bits as well: only what it would write itself is taken.
        return Convert.TryFromBase64Chars(base64, bytes, out int written) && written == bytes.Length && base64.SequenceEqual(Convert.ToBase64String(bytes));
    }
}

/// <summary>The SHA-256 of a body as the field <c>Content-Digest</c> says it (RFC 9530): <c>sha-256=:base64:</c>, this one digest alone.</summary>
public static class ContentDigest
{
    private const string Prefix = "sha-256=";

    /// <summary>The field's value for a body.</summary>
    public static string Of(ReadOnlySpan<byte> body)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(body, hash);
        return $"{Prefix}:{Convert.ToBase64String(hash)}:";
    }

    /// <summary>Whether the text has the form of one. Never throws.</summary>
    public static bool IsValid(string? text) =>
        text is not null && text.StartsWith(Prefix, StringComparison.Ordinal) && HttpSignature.TryByteSequence(text.AsSpan(Prefix.Length), stackalloc byte[SHA256.HashSizeInBytes]);
}
