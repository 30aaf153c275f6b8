using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Mesh30K.Node.Api;

/// <summary>Reads the query of one request strictly: known names only, each once, and all that is wrong on one list. Owned by one request.</summary>
internal sealed class QueryFields
{
    private readonly IQueryCollection _query;

    public QueryFields(HttpRequest request, params string[] known)
    {
        _query = request.Query;
        foreach (string name in _query.Keys.Where(k => !known.Contains(k, StringComparer.Ordinal)))
        {
            string advice = Nearest.Question(name, known) ?? (known.Length == 0 ? "This path takes none." : "Known here: " + string.Join(", ", known));
            Add(name, null, $"is not a known query parameter. {advice}");
        }
    }

    public List<FieldProblem> Errors { get; } = [];

    /// <summary>The answer when something was wrong; null when all is well.</summary>
    public Problem? Problem => Errors.Count == 0 ? null : Mesh30K.Node.Api.Problem.BadFields(Errors);

    public string? Text(string name)
    {
        if (!_query.TryGetValue(name, out var values)) return null;
        if (values is [{ Length: > 0 } one]) return one;
        Add(name, null, "must be given once and not be empty");
        return null;
    }

    public int? Integer(string name, int min, int max)
    {
        if (Text(name) is not { } text) return null;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= min && value <= max) return value;
        Add(name, text, $"must be a whole number from {min} to {max}");
        return null;
    }

    public bool Flag(string name)
    {
        if (Text(name) is not { } text) return false;
        if (bool.TryParse(text, out bool value)) return value;
        Add(name, text, "must be true or false");
        return false;
    }

    /// <summary>One of a few words; null when absent or wrong.</summary>
    public string? OneOf(string name, params string[] words)
    {
        if (Text(name) is not { } text) return null;
        if (words.Contains(text, StringComparer.Ordinal)) return text;
        string near = Nearest.To(text, words) is { } word ? $" (did you mean {word}?)" : "";
        Add(name, text, $"must be one of {string.Join(", ", words)}{near}");
        return null;
    }

    public void Add(string name, string? value, string message) => Errors.Add(new FieldProblem(name, value is { Length: > 64 } ? value[..64] + "…" : value, message));
}
