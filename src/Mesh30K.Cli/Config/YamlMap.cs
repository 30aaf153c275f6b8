using System.Globalization;
using Mesh30K.Cli.Output;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Mesh30K.Cli.Config;

/// <summary>One mapping of a YAML file, read strictly: unknown keys are refused, and each read checks type and range.</summary>
internal sealed class YamlMap
{
    private readonly string _file;
    private readonly string _name;
    private readonly YamlNode _at;
    private readonly Dictionary<string, YamlNode> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, YamlNode> _keys = new(StringComparer.Ordinal);

    /// <param name="file">Named in errors.</param>
    /// <param name="name">The way to this mapping, such as <c>arrival</c>; empty at the top.</param>
    /// <param name="node">A mapping; an empty value counts as an empty mapping.</param>
    /// <param name="known">The keys that it may have; null allows any.</param>
    public YamlMap(string file, string name, YamlNode node, IReadOnlyList<string>? known)
    {
        _file = file;
        _name = name;
        _at = node;
        if (IsEmpty(node)) return;
        if (node is not YamlMappingNode mapping) throw Wrong(node, $"{Place} is {Describe(node)}, not a mapping", $"Write it as `key: value` lines{Known(known)}.");
        foreach ((YamlNode keyNode, YamlNode value) in mapping.Children)
        {
            string? key = (keyNode as YamlScalarNode)?.Value;
            if (key is null) throw Wrong(keyNode, $"a key of {Place} is {Describe(keyNode)}, not a name", $"Write a name{Known(known)}.");
            if (known is not null && !known.Contains(key, StringComparer.Ordinal))
                throw Wrong(keyNode, $"unknown key \"{Short(key)}\" in {Place}", Nearest.Question(key, known) ?? $"{Place} knows: {string.Join(", ", known)}.");
            _values[key] = value;
            _keys[key] = keyNode;
        }
    }

    private string Place => _name.Length == 0 ? "the file" : _name;

    public IEnumerable<string> Keys => _values.Keys;

    public bool Has(string key) => _values.ContainsKey(key);

    /// <summary>The node at <paramref name="key"/>, or the mapping itself where the key is absent: the place that an error points to.</summary>
    public YamlNode NodeOf(string key) => _values.GetValueOrDefault(key, _at);

    public YamlNode KeyNodeOf(string key) => _keys[key];

    /// <summary>The mapping at <paramref name="key"/> with keys of the caller's own choice.</summary>
    public YamlMap MapOfAny(string key) => new(_file, PathOf(key), _values[key], null);

    /// <summary>The mapping at <paramref name="key"/>; an absent one is empty.</summary>
    public YamlMap Map(string key, params string[] known) => new(_file, PathOf(key), _values.GetValueOrDefault(key, new YamlScalarNode("")), known);

    public IReadOnlyList<YamlNode> List(string key)
    {
        if (!_values.TryGetValue(key, out YamlNode? node) || IsEmpty(node)) return [];
        return node is YamlSequenceNode list ? [.. list.Children] : throw Wrong(node, $"{PathOf(key)} is {Describe(node)}, not a list", "Start each element with `- `.");
    }

    public long Whole(string key, long min, long max, long fallback)
    {
        if (!_values.TryGetValue(key, out YamlNode? node)) return fallback;
        string fix = string.Create(CultureInfo.InvariantCulture, $"Write a whole number from {min} to {max}.");
        if (Plain(node) is not { } text || !long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value))
            throw Wrong(node, $"{PathOf(key)} is {Describe(node)}, not a whole number", fix);
        return value >= min && value <= max ? value : throw Wrong(node, $"{PathOf(key)} is {value}, out of range", fix);
    }

    public double Number(string key, double min, double max, double fallback)
    {
        if (!_values.TryGetValue(key, out YamlNode? node)) return fallback;
        string fix = string.Create(CultureInfo.InvariantCulture, $"Write a number from {min} to {max}.");
        const NumberStyles styles = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        if (Plain(node) is not { } text || !double.TryParse(text, styles, CultureInfo.InvariantCulture, out double value) || !double.IsFinite(value))
            throw Wrong(node, $"{PathOf(key)} is {Describe(node)}, not a number", fix);
        return value >= min && value <= max ? value : throw Wrong(node, string.Create(CultureInfo.InvariantCulture, $"{PathOf(key)} is {value}, out of range"), fix);
    }

    /// <summary>As <see cref="Number"/>, without the upper end itself.</summary>
    public double NumberBelow(string key, double min, double below, double fallback)
    {
        double value = Number(key, min, below, fallback);
        return value < below
            ? value
            : throw Wrong(NodeOf(key), string.Create(CultureInfo.InvariantCulture, $"{PathOf(key)} is {value}, out of range"), string.Create(CultureInfo.InvariantCulture, $"Write a number from {min} to below {below}."));
    }

    public string? Text(string key)
    {
        if (!_values.TryGetValue(key, out YamlNode? node)) return null;
        return node is YamlScalarNode { Value.Length: > 0 } scalar ? scalar.Value : throw Wrong(node, $"{PathOf(key)} is {Describe(node)}, not a text", "Write a text.");
    }

    /// <summary>One of <paramref name="choices"/> as its index.</summary>
    public int Choice(string key, int fallback, params string[] choices)
    {
        if (Text(key) is not { } text) return fallback;
        int index = Array.IndexOf(choices, text);
        string all = $"Choose one of: {string.Join(", ", choices)}.";
        return index >= 0 ? index : throw Wrong(NodeOf(key), $"{PathOf(key)} is \"{Short(text)}\"", Nearest.Question(text, choices) ?? all);
    }

    public string PathOf(string key) => _name.Length == 0 ? key : $"{_name}.{key}";

    /// <summary>An error at a node of this file.</summary>
    public FleetFileException Wrong(YamlNode node, string what, string fix) => new(new FleetFileError(_file, node.Start.Line, node.Start.Column, what, fix));

    public static string Short(string text)
    {
        const int charsShown = 60;
        string line = new([.. text.Select(c => char.IsControl(c) ? ' ' : c)]);
        return line.Length <= charsShown ? line : line[..charsShown] + "…";
    }

    private static bool IsEmpty(YamlNode node) => node is YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any, Value: null or "" or "~" or "null" };

    private static string? Plain(YamlNode node) => node is YamlScalarNode { Style: ScalarStyle.Plain } scalar ? scalar.Value : null;

    private static string Known(IReadOnlyList<string>? known) => known is null ? "" : $" with {string.Join(", ", known)}";

    private static string Describe(YamlNode node) => node switch
    {
        _ when IsEmpty(node) => "empty",
        YamlMappingNode => "a mapping",
        YamlSequenceNode => "a list",
        YamlScalarNode scalar => $"\"{Short(scalar.Value ?? "")}\"",
        _ => "something else",
    };
}
