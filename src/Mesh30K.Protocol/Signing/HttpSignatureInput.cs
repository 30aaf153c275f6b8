using System.Buffers;
using System.Globalization;
using System.Text;

namespace Mesh30K.Protocol.Signing;

/// <summary>
/// What an HTTP signature covers and when, by whom and for what it was made: the value of one member of <c>Signature-Input</c> (RFC 9421, section 4.1). Immutable.
/// </summary>
/// <remarks>
/// A subset, strict to the byte so that no two readers understand a signed request differently: components without parameters, each once; the parameters below, each at most once, in any order; texts without quotes and
/// backslashes; whole numbers without leading zeros; one space between components and none elsewhere, which is how RFC 8941 writes it.
/// </remarks>
public sealed class HttpSignatureInput
{
    /// <summary>Characters of one member on the wire, its label included.</summary>
    public const int CharsMax = 1_024;

    /// <summary>Components of one signature.</summary>
    public const int ComponentsMax = 16;

    /// <summary>Characters of a component's name, and of a label.</summary>
    public const int NameCharsMax = 64;

    /// <summary>Characters of a text: nonce, key, tag.</summary>
    public const int TextCharsMax = 256;

    /// <summary>The last second of the year 9999: no time on the wire is later.</summary>
    public const long SecondsMax = 253_402_300_799;

    private static readonly SearchValues<char> NameChars = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-_.*");

    public HttpSignatureInput()
    {
    }

    private HttpSignatureInput(string text) => Text = text;

    /// <summary>What is covered, in the order of the signature base: derived components (<c>@method</c>) and fields in lower case.</summary>
    public required IReadOnlyList<string> Components { get; init; }

    /// <summary>When it was made, in seconds since 1970-01-01T00:00:00Z; null when it does not say.</summary>
    public long? Created { get; init; }

    /// <summary>Until when it counts, in seconds as <see cref="Created"/>; null when it does not say.</summary>
    public long? Expires { get; init; }

    /// <summary>Made up for this signature alone; null for none.</summary>
    public string? Nonce { get; init; }

    /// <summary>The algorithm's name (<c>ed25519</c>); null leaves it to the key.</summary>
    public string? Algorithm { get; init; }

    /// <summary>Whose key; null when it does not say.</summary>
    public string? KeyId { get; init; }

    /// <summary>Which application it is for; null when it does not say.</summary>
    public string? Tag { get; init; }

    /// <summary>As it stands on the wire, or as this type writes it: also the last line of the signature base.</summary>
    public string Text => field ??= Written();

    /// <summary>Reads a <c>Signature-Input</c> field with one member; says what is wrong, without repeating it, or null. Never throws.</summary>
    public static string? TryParse(string? field, out string label, out HttpSignatureInput? input)
    {
        (label, input) = ("", null);
        if (field is null) return "there is no Signature-Input";
        if (field.Length > CharsMax) return $"Signature-Input has more than {CharsMax} characters";
        if (!TryLabel(field, out label, out ReadOnlySpan<char> value)) return "Signature-Input does not begin with a label and =";
        Cursor at = new(value);
        List<string> components = [];
        if (at.Components(components) is { } wrong) return wrong;
        Dictionary<string, string> texts = new(StringComparer.Ordinal);
        Dictionary<string, long> times = new(StringComparer.Ordinal);
        if (at.Parameters(texts, times) is { } fault) return fault;
        input = new HttpSignatureInput(value.ToString())
        {
            Components = components,
            Created = times.TryGetValue("created", out long created) ? created : null,
            Expires = times.TryGetValue("expires", out long expires) ? expires : null,
            Nonce = texts.GetValueOrDefault("nonce"),
            Algorithm = texts.GetValueOrDefault("alg"),
            KeyId = texts.GetValueOrDefault("keyid"),
            Tag = texts.GetValueOrDefault("tag"),
        };
        return null;
    }

    /// <summary>Splits a member of a dictionary: <c>sig1=…</c>.</summary>
    internal static bool TryLabel(ReadOnlySpan<char> member, out string label, out ReadOnlySpan<char> value)
    {
        int equals = member.IndexOf('=');
        bool isLabel = equals is > 0 and <= NameCharsMax && !member[..equals].ContainsAnyExcept(NameChars) && (char.IsAsciiLetterLower(member[0]) || member[0] == '*');
        label = isLabel ? member[..equals].ToString() : "";
        value = isLabel ? member[(equals + 1)..] : default;
        return isLabel;
    }

    private string Written()
    {
        StringBuilder text = new();
        text.Append('(').AppendJoin(' ', Components.Select(c => $"\"{c}\"")).Append(')');
        if (Created is { } created) text.Append(CultureInfo.InvariantCulture, $";created={created}");
        if (Expires is { } expires) text.Append(CultureInfo.InvariantCulture, $";expires={expires}");
        if (Nonce is not null) text.Append(CultureInfo.InvariantCulture, $";nonce=\"{Nonce}\"");
        if (Algorithm is not null) text.Append(CultureInfo.InvariantCulture, $";alg=\"{Algorithm}\"");
        if (KeyId is not null) text.Append(CultureInfo.InvariantCulture, $";keyid=\"{KeyId}\"");
        if (Tag is not null) text.Append(CultureInfo.InvariantCulture, $";tag=\"{Tag}\"");
        return text.ToString();
    }

    /// <summary>Reads on from a place. Every method says what is wrong, or null.</summary>
    private ref struct Cursor(ReadOnlySpan<char> rest)
    {
        private ReadOnlySpan<char> _rest = rest;

        internal string? Components(List<string> components)
        {
            if (!Take('(')) return "Signature-Input has no list of components";
            while (!Take(')'))
            {
                if (components.Count > 0 && !Take(' ')) return "the components are not one space apart";
                if (!TryText(NameCharsMax, out string name)) return $"a component is no text in quotes of at most {NameCharsMax} characters";
                if (!IsComponent(name)) return "a component has a name that no field and no derived component has";
                if (components.Contains(name, StringComparer.Ordinal)) return "a component is there twice";
                if (components.Count == ComponentsMax) return $"there are more than {ComponentsMax} components";
                components.Add(name);
                if (_rest.StartsWith(";")) return "a component has parameters, which are not known here";
            }
            return null;
        }

        internal string? Parameters(Dictionary<string, string> texts, Dictionary<string, long> times)
        {
            while (!_rest.IsEmpty)
            {
                int equals = _rest.IndexOf('=');
                if (!Take(';') || equals < 2) return "a parameter does not have the form ;name=value";
                string name = _rest[..(equals - 1)].ToString();
                _rest = _rest[equals..];
                switch (name)
                {
                    case "created" or "expires":
                        if (!TrySeconds(out long seconds)) return $"{name} must be seconds since 1970 in plain digits";
                        if (!times.TryAdd(name, seconds)) return $"{name} is there twice";
                        break;
                    case "nonce" or "alg" or "keyid" or "tag":
                        if (!TryText(TextCharsMax, out string text)) return $"{name} must be a text in quotes of 1 to {TextCharsMax} characters, without backslashes";
                        if (!texts.TryAdd(name, text)) return $"{name} is there twice";
                        break;
                    default:
                        return "a parameter is not known here";
                }
            }
            return null;
        }

        private bool Take(char c)
        {
            if (_rest.IsEmpty || _rest[0] != c) return false;
            _rest = _rest[1..];
            return true;
        }

        /// <summary>A text in quotes, of visible ASCII and spaces, not empty.</summary>
        private bool TryText(int charsMax, out string text)
        {
            text = "";
            if (!Take('"')) return false;
            int end = _rest.IndexOf('"');
            if (end <= 0 || end > charsMax || _rest[..end].ContainsAnyExceptInRange(' ', '~') || _rest[..end].Contains('\\')) return false;
            text = _rest[..end].ToString();
            _rest = _rest[(end + 1)..];
            return true;
        }

        private bool TrySeconds(out long seconds)
        {
            int end = _rest.IndexOfAnyExceptInRange('0', '9');
            ReadOnlySpan<char> digits = end < 0 ? _rest : _rest[..end];
            bool isPlain = digits.Length is > 0 and <= 12 && (digits[0] != '0' || digits.Length == 1);
            seconds = isPlain ? long.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture) : 0;
            _rest = _rest[digits.Length..];
            return isPlain && seconds <= SecondsMax;
        }

        private static bool IsComponent(ReadOnlySpan<char> name) => name[0] == '@'
            ? HttpRequestHead.IsDerived(name)
            : !name.ContainsAnyExcept("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~");
    }
}
