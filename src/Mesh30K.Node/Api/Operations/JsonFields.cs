using System.Text.Json;

namespace Mesh30K.Node.Api.Operations;

/// <summary>
/// Reads one JSON object strictly: every field has a type, none is unknown, and all that is wrong goes on one list instead of ending at the
/// first. Null counts as absent. Owned by one request.
/// </summary>
internal sealed class JsonFields
{
    private const int ErrorsMax = 20;
    private const int ItemsMax = 30_000;
    private const int ValueCharsMax = 64;
    private const string HalfPair = "must not hold half a surrogate pair";

    private readonly JsonElement _object;
    private readonly string _prefix;

    private JsonFields(JsonElement element, string prefix, List<FieldProblem> errors, IReadOnlyList<string> known)
    {
        _object = element;
        _prefix = prefix;
        Errors = errors;
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (known.Contains(property.Name, StringComparer.Ordinal)) continue;
            string advice = Nearest.Question(property.Name, known) ?? "Known here: " + string.Join(", ", known);
            Add(property.Name, null, $"is not a known field. {advice}");
        }
    }

    /// <summary>What was wrong so far, at most 20.</summary>
    public List<FieldProblem> Errors { get; }

    /// <summary>The fields of a value; null, and an error, when it is no object.</summary>
    public static JsonFields? Of(JsonElement element, string path, List<FieldProblem> errors, IReadOnlyList<string> known)
    {
        if (element.ValueKind == JsonValueKind.Object) return new JsonFields(element, path.Length == 0 ? "" : path + ".", errors, known);
        errors.Add(new FieldProblem(path.Length == 0 ? "the body" : path, Shown(element), "must be an object"));
        return null;
    }

    /// <summary>The value as it is; null when absent. A JSON null is a value here.</summary>
    public JsonElement? Raw(string name) => _object.TryGetProperty(name, out JsonElement value) ? value.Clone() : null;

    public string? Text(string name) => Find(name) is not { } value ? null
        : value.ValueKind != JsonValueKind.String ? Wrong<string>(name, value, "must be a text")
        : TryText(value, out string text) ? text
        : Wrong<string>(name, value, HalfPair);

    public double? Number(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) ? number
        : WrongValue<double>(name, value, "must be a number");

    public int? Integer(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number
        : WrongValue<int>(name, value, "must be a whole number");

    public long? Long(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number
        : WrongValue<long>(name, value, "must be a whole number");

    public bool? Flag(string name) => Find(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : WrongValue<bool>(name, value, "must be true or false");

    public IReadOnlyList<string>? Texts(string name)
    {
        if (Find(name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(v => v.ValueKind != JsonValueKind.String))
            return Wrong<IReadOnlyList<string>>(name, value, "must be a list of texts");
        if (value.GetArrayLength() > ItemsMax) return Wrong<IReadOnlyList<string>>(name, value, $"must have at most {ItemsMax} items");
        List<string> texts = [];
        foreach (JsonElement item in value.EnumerateArray())
        {
            if (!TryText(item, out string text)) return Wrong<IReadOnlyList<string>>(name, value, HalfPair);
            texts.Add(text);
        }
        return texts;
    }

    public JsonFields? Object(string name, IReadOnlyList<string> known) => Find(name) is { } value ? Of(value, _prefix + name, Errors, known) : null;

    /// <summary>A list of objects; null when absent.</summary>
    public IReadOnlyList<JsonFields>? Objects(string name, int itemsMax, IReadOnlyList<string> known)
    {
        if (Find(name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > itemsMax)
            return Wrong<IReadOnlyList<JsonFields>>(name, value, $"must be a list of at most {itemsMax} objects");
        return [.. value.EnumerateArray().Select((v, i) => Of(v, $"{_prefix}{name}[{i}]", Errors, known)).OfType<JsonFields>()];
    }

    /// <summary>Notes that a field is wrong; the field is named relative to this object.</summary>
    public void Add(string name, string? value, string message) => Add(Errors, _prefix + name, value, message);

    /// <summary>Notes that a field is wrong, by its whole path.</summary>
    public static void Add(List<FieldProblem> errors, string field, string? value, string message)
    {
        if (errors.Count < ErrorsMax) errors.Add(new FieldProblem(Cut(field), value is null ? null : Cut(value), message));
    }

    /// <summary>False for half a surrogate pair, which JSON can say and no text can be.</summary>
    private static bool TryText(JsonElement value, out string text)
    {
        text = "";
        try
        {
            text = value.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private JsonElement? Find(string name) =>
        _object.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private T? Wrong<T>(string name, JsonElement value, string message)
        where T : class
    {
        Add(name, Shown(value), message);
        return null;
    }

    private T? WrongValue<T>(string name, JsonElement value, string message)
        where T : struct
    {
        Add(name, Shown(value), message);
        return null;
    }

    private static string Shown(JsonElement value) => Cut(value.GetRawText());

    private static string Cut(string text) => text.Length <= ValueCharsMax ? text : text[..ValueCharsMax] + "…";
}
