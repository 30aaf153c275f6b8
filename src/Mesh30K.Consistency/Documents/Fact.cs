using System.Text;
using System.Text.Json;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Consistency.Documents;

/// <summary>One fact of a facts document.</summary>
/// <param name="Entity">What it is about.</param>
/// <param name="Attribute">Which of its attributes.</param>
/// <param name="At">When it was stated.</param>
/// <param name="By">Who stated it; empty for nobody.</param>
/// <param name="Json">The whole fact in canonical form, which is its identity.</param>
internal sealed record Fact(string Entity, string Attribute, Hlc At, string By, string Json)
{
    /// <summary>By entity, attribute, time, author, then value: equal for the same fact.</summary>
    public static int Compare(Fact a, Fact b)
    {
        if (ReferenceEquals(a, b)) return 0;
        int order = string.CompareOrdinal(a.Entity, b.Entity);
        if (order == 0) order = string.CompareOrdinal(a.Attribute, b.Attribute);
        if (order == 0) order = a.At.CompareTo(b.At);
        if (order == 0) order = string.CompareOrdinal(a.By, b.By);
        return order == 0 ? string.CompareOrdinal(a.Json, b.Json) : order;
    }

    /// <summary>Reads one line of UTF-8; null with what is wrong.</summary>
    public static Fact? TryParse(ReadOnlySpan<byte> line, out string error)
    {
        Members members = new();
        error = "";
        try
        {
            Utf8JsonReader json = new(line);
            json.Read();
            if (json.TokenType != JsonTokenType.StartObject) error = "not a JSON object";
            while (error.Length == 0 && json.Read() && json.TokenType == JsonTokenType.PropertyName) error = members.Read(ref json);
            if (error.Length == 0 && json.Read()) error = "more than one JSON object";
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            error = "not valid JSON"; // an escape of half a surrogate pair is the InvalidOperationException
        }
        return error.Length > 0 ? null : members.ToFact(out error);
    }

    private sealed class Members
    {
        private readonly SortedDictionary<string, string> _others = new(StringComparer.Ordinal);
        private string? _entity;
        private string? _attribute;
        private string? _value;
        private string? _at;
        private string? _by;

        /// <summary>Reads one member; returns what is wrong, or nothing.</summary>
        public string Read(ref Utf8JsonReader json)
        {
            if (json.ValueTextEquals("entity"u8)) return ReadText(ref json, "entity", ref _entity);
            if (json.ValueTextEquals("attribute"u8)) return ReadText(ref json, "attribute", ref _attribute);
            if (json.ValueTextEquals("at"u8)) return ReadText(ref json, "at", ref _at);
            if (json.ValueTextEquals("by"u8)) return ReadText(ref json, "by", ref _by);
            string name = json.GetString()!;
            json.Read();
            StringBuilder text = new();
            FactJson.AppendValue(ref json, text);
            bool isNew = name == "value" ? _value is null : _others.TryAdd(name, text.ToString());
            if (name == "value") _value = text.ToString();
            return isNew ? "" : $"\"{name}\" is there twice";
        }

        public Fact? ToFact(out string error)
        {
            error = _entity is null ? "\"entity\" is missing" : _attribute is null ? "\"attribute\" is missing" : _value is null ? "\"value\" is missing" : _at is null ? "\"at\" is missing" : "";
            Hlc at = default;
            if (error.Length == 0 && !Hlc.TryParse(_at, out at)) error = "\"at\" is not a timestamp";
            if (error.Length > 0) return null;
            StringBuilder json = new("{\"entity\":");
            FactJson.AppendText(_entity, json);
            FactJson.AppendText(_attribute, json.Append(",\"attribute\":"));
            json.Append(",\"value\":").Append(_value);
            FactJson.AppendText(at.ToString(), json.Append(",\"at\":"));
            if (_by is not null) FactJson.AppendText(_by, json.Append(",\"by\":"));
            foreach ((string name, string value) in _others)
            {
                FactJson.AppendText(name, json.Append(','));
                json.Append(':').Append(value);
            }
            return new Fact(_entity!, _attribute!, at, _by ?? "", json.Append('}').ToString());
        }

        private static string ReadText(ref Utf8JsonReader json, string name, ref string? text)
        {
            json.Read();
            if (json.TokenType != JsonTokenType.String) return $"\"{name}\" is not a string";
            bool isNew = text is null;
            text = json.GetString();
            return isNew ? "" : $"\"{name}\" is there twice";
        }
    }
}
