using System.Text.Json;

namespace Mesh30K.Protocol.Json;

/// <summary>Says in our own words why decoding failed, off the hot path. Never throws; the texts carry neither values nor names of types.</summary>
internal static class DecodeFailure
{
    private const string MissingMark = "missing required properties including: ";

    /// <summary>Explains an exception of the serializer by reading the bytes once more.</summary>
    internal static DecodeResult Explain(ReadOnlySpan<byte> utf8, Exception failure, CodecLimits limits)
    {
        if (Syntax(utf8, limits) is { } broken) return broken;

        string path = (failure as JsonException)?.Path ?? "$";
        long position = (failure as JsonException)?.BytePositionInLine ?? -1;
        if (failure is WireFormatException ours) return DecodeResult.Failed(DecodeErrorCode.InvalidValue, ours.Message, path, position);

        // The runtime tells these two kinds apart by its text alone; a test holds that it still does.
        int missing = failure.Message.IndexOf(MissingMark, StringComparison.Ordinal);
        if (missing >= 0)
        {
            string names = failure.Message[(missing + MissingMark.Length)..];
            int end = names.IndexOf(". Path:", StringComparison.Ordinal);
            names = (end < 0 ? names : names[..end]).TrimEnd('.').Replace("'", string.Empty, StringComparison.Ordinal);
            return DecodeResult.Failed(DecodeErrorCode.MissingField, "missing: " + names, path, position);
        }
        if (failure.Message.StartsWith("Duplicate", StringComparison.Ordinal)
            || failure.Message.StartsWith("An item with the same key", StringComparison.Ordinal))
            return DecodeResult.Failed(DecodeErrorCode.DuplicateField, "a field is there twice", path, position);
        return DecodeResult.Failed(DecodeErrorCode.InvalidValue, "not a value that this field can have", path, position);
    }

    /// <summary>The failure when the bytes are no JSON or nest too deep; null when they are fine as JSON.</summary>
    private static DecodeResult? Syntax(ReadOnlySpan<byte> utf8, CodecLimits limits)
    {
        Utf8JsonReader reader = new(utf8, new JsonReaderOptions { MaxDepth = int.MaxValue });
        int deepest = 0;
        long deepAt = -1;
        try
        {
            while (reader.Read())
            {
                int depth = reader.CurrentDepth + (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray ? 1 : 0);
                deepest = Math.Max(deepest, depth);
                if (deepest > limits.DepthMax && deepAt < 0) deepAt = reader.TokenStartIndex;
            }
        }
        catch (JsonException)
        {
            // Of what is too deep and cut off as well, the first thing that a reader meets is told.
            return deepAt >= 0 ? TooDeep(limits, deepAt) : DecodeResult.Failed(DecodeErrorCode.NotJson, "not JSON", "$", reader.BytesConsumed);
        }
        return deepAt >= 0 ? TooDeep(limits, deepAt) : null;
    }

    private static DecodeResult TooDeep(CodecLimits limits, long position) =>
        DecodeResult.Failed(DecodeErrorCode.TooDeep, $"nested deeper than {limits.DepthMax}", "$", position);
}
