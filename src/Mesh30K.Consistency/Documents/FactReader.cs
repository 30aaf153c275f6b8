using System.Text;
using System.Text.Json;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Documents;

/// <summary>
/// Reads facts, one line each. Its buffers serve one line after another: a line in canonical form costs no more memory than the fact and those of its
/// strings that the fact before it had not.
/// </summary>
internal sealed class FactReader
{
    private readonly StringBuilder _value = new();
    private readonly StringBuilder _json = new();
    private readonly List<KeyValuePair<string, string>> _others = [];
    private byte[] _utf8 = [];
    private char[] _chars = []; // the texts of the line without their escapes, one after another
    private int _used;
    private Range? _entity;
    private Range? _attribute;
    private Range? _at;
    private Range? _by;
    private Fact? _last;

    /// <summary>Reads one line; null with what is wrong.</summary>
    public Fact? TryRead(ReadOnlyMemory<char> line, out string error)
    {
        int most = Encoding.UTF8.GetMaxByteCount(line.Length);
        if (_utf8.Length < most) (_utf8, _chars) = (new byte[most * 2], new char[most * 2]);
        (_entity, _attribute, _at, _by, _used) = (null, null, null, null, 0);
        _value.Clear();
        _others.Clear();
        error = "";
        try
        {
            Utf8JsonReader json = new(_utf8.AsSpan(0, Encoding.UTF8.GetBytes(line.Span, _utf8)));
            json.Read();
            if (json.TokenType != JsonTokenType.StartObject) error = "not a JSON object";
            while (error.Length == 0 && json.Read() && json.TokenType == JsonTokenType.PropertyName) error = ReadMember(ref json);
            if (error.Length == 0 && json.Read()) error = "more than one JSON object";
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            error = "not valid JSON"; // an escape of half a surrogate pair is the InvalidOperationException
        }
        if (error.Length > 0 || ToFact(line, out error) is not { } fact) return null;
        return _last = fact;
    }

    /// <summary>Reads one member; returns what is wrong, or nothing.</summary>
    private string ReadMember(ref Utf8JsonReader json)
    {
        if (json.ValueTextEquals("entity"u8)) return ReadText(ref json, "entity", ref _entity);
        if (json.ValueTextEquals("attribute"u8)) return ReadText(ref json, "attribute", ref _attribute);
        if (json.ValueTextEquals("at"u8)) return ReadText(ref json, "at", ref _at);
        if (json.ValueTextEquals("by"u8)) return ReadText(ref json, "by", ref _by);
        string? name = json.ValueTextEquals("value"u8) ? null : json.GetString()!;
        bool isTwice = name is null ? _value.Length > 0 : _others.Exists(other => other.Key == name);
        if (isTwice) return $"\"{name ?? "value"}\" is there twice";
        StringBuilder text = name is null ? _value : new StringBuilder();
        json.Read();
        FactJson.AppendValue(ref json, text, _chars.AsSpan(_used));
        if (name is not null) _others.Add(new KeyValuePair<string, string>(name, text.ToString()));
        return "";
    }

    private string ReadText(ref Utf8JsonReader json, string name, ref Range? text)
    {
        json.Read();
        if (json.TokenType != JsonTokenType.String) return $"\"{name}\" is not a string";
        if (text is not null) return $"\"{name}\" is there twice";
        int length = json.CopyString(_chars.AsSpan(_used));
        text = _used..(_used += length);
        return "";
    }

    private Fact? ToFact(ReadOnlyMemory<char> line, out string error)
    {
        error = _entity is null ? "\"entity\" is missing" : _attribute is null ? "\"attribute\" is missing" : _value.Length == 0 ? "\"value\" is missing" : _at is null ? "\"at\" is missing" : "";
        Hlc at = default;
        if (error.Length == 0 && !Hlc.TryParse(_chars.AsSpan(_at!.Value), out at)) error = "\"at\" is not a timestamp";
        if (error.Length > 0) return null;
        ReadOnlySpan<char> entity = _chars.AsSpan(_entity!.Value);
        ReadOnlySpan<char> attribute = _chars.AsSpan(_attribute!.Value);
        ReadOnlySpan<char> by = _by is null ? "" : _chars.AsSpan(_by.Value);
        FactJson.AppendText(entity, _json.Clear().Append("{\"entity\":"));
        FactJson.AppendText(attribute, _json.Append(",\"attribute\":"));
        Span<char> stamp = stackalloc char[Hlc.CharsMax];
        FactJson.AppendText(stamp[..at.Format(stamp)], _json.Append(",\"value\":").Append(_value).Append(",\"at\":"));
        if (_by is not null) FactJson.AppendText(by, _json.Append(",\"by\":"));
        _others.Sort((a, b) => string.CompareOrdinal(a.Key, b.Key));
        foreach ((string name, string value) in _others)
        {
            FactJson.AppendText(name, _json.Append(','));
            _json.Append(':').Append(value);
        }
        ReadOnlyMemory<char> json = _json.Append('}').Equals(line.Span) ? line : _json.ToString().AsMemory();
        return new Fact(StringOf(entity, _last?.Entity), StringOf(attribute, _last?.Attribute), at, StringOf(by, _last?.By), json);
    }

    /// <summary>Sorted facts often share their strings with the fact before.</summary>
    private static string StringOf(ReadOnlySpan<char> text, string? last) => last is not null && text.SequenceEqual(last) ? last : text.ToString();
}
