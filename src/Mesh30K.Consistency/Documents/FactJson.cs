using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Mesh30K.Consistency.Documents;

/// <summary>Canonical JSON: no spaces, only those characters escaped that must be, numbers as they were written, members of objects in their order.</summary>
internal static class FactJson
{
    private static readonly SearchValues<char> Escaped = SearchValues.Create([.. Enumerable.Range(0, 32).Select(c => (char)c), '"', '\\']);

    /// <summary>Appends the value at which the reader stands, and leaves the reader at its end. The scratch space holds the longest string of it.</summary>
    public static void AppendValue(ref Utf8JsonReader json, StringBuilder text, Span<char> scratch)
    {
        int depth = json.CurrentDepth;
        bool needsComma = false;
        do
        {
            if (needsComma && json.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray)) text.Append(',');
            needsComma = true;
            switch (json.TokenType)
            {
                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    text.Append(json.TokenType == JsonTokenType.StartObject ? '{' : '[');
                    needsComma = false;
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    text.Append(json.TokenType == JsonTokenType.EndObject ? '}' : ']');
                    break;
                case JsonTokenType.PropertyName:
                    AppendText(scratch[..json.CopyString(scratch)], text);
                    text.Append(':');
                    needsComma = false;
                    break;
                case JsonTokenType.String:
                    AppendText(scratch[..json.CopyString(scratch)], text);
                    break;
                default:
                    foreach (byte digit in json.ValueSpan) text.Append((char)digit);
                    break;
            }
        }
        while ((json.CurrentDepth > depth || json.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray) && json.Read());
    }

    public static void AppendText(ReadOnlySpan<char> value, StringBuilder text)
    {
        text.Append('"');
        while (value.IndexOfAny(Escaped) is >= 0 and int at)
        {
            text.Append(value[..at]);
            text.Append(value[at] switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                char control => $"\\u{(int)control:x4}",
            });
            value = value[(at + 1)..];
        }
        text.Append(value).Append('"');
    }
}
