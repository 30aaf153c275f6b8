using System.Text;
using System.Text.Json;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Api.Operations;

/// <summary>Why an agent answered CONFLICT, in its own words: data, never instructions. Pure, thread-safe.</summary>
internal static class ConflictWords
{
    /// <summary>Characters of it that are shown.</summary>
    internal const int CharsMax = 1_000;

    /// <summary>What the agent put in quarantine: the text when it is one, else its JSON; null when the agent gave nothing. Never throws, whatever the agent sent.</summary>
    internal static string? Of(ConflictDetail? conflict)
    {
        if (conflict?.ConflictingData is not { } data || data.Utf8.SequenceEqual("null"u8)) return null;
        string words = TextOf(data) ?? Encoding.UTF8.GetString(data.Utf8);
        return words.Length <= CharsMax ? words : words[..CharsMax];
    }

    /// <summary>Null for what is no text, or a text with half a character in an escape.</summary>
    private static string? TextOf(RawJson data)
    {
        using JsonDocument document = JsonDocument.Parse(data.Memory);
        if (document.RootElement.ValueKind != JsonValueKind.String) return null;
        try
        {
            return document.RootElement.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
