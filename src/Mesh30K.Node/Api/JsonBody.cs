using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;

namespace Mesh30K.Node.Api;

/// <summary>A body that was read, or the problem to answer with: one of the two is null.</summary>
public readonly record struct JsonBody<T>(T? Value, Problem? Problem)
    where T : class
{
    /// <summary>Whether there is a value.</summary>
    [MemberNotNullWhen(true, nameof(Value))]
    [MemberNotNullWhen(false, nameof(Problem))]
    public bool IsValid => Problem is null;
}

/// <summary>
/// Reads a JSON body with bounds on its size and depth. What is wrong with it comes back as a problem that names line and position, counted
/// from 1, the position in bytes.
/// </summary>
public static class JsonBody
{
    /// <summary>The largest body, in bytes: 1 MiB.</summary>
    public const int BytesMax = 1 << 20;

    /// <summary>The deepest nesting of objects and arrays.</summary>
    public const int DepthMax = 32;

    private static readonly SearchValues<string> Details = SearchValues.Create([" Path: ", " LineNumber: "], StringComparison.Ordinal);
    private static readonly JsonReaderOptions Reading = new() { MaxDepth = DepthMax };

    /// <summary>Reads all of the body. Never throws for what the client sent: 400, 413 or 415 as a problem.</summary>
    public static async Task<JsonBody<T>> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type, int bytesMax = BytesMax)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(context);
        HttpRequest request = context.Request;
        if (!request.HasJsonContentType()) return new(null, Problem.NotJson(request.ContentType));
        if (request.ContentLength > bytesMax) return new(null, Problem.TooLarge(bytesMax));
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)(request.ContentLength ?? 4096) + 1);
        try
        {
            int length = 0;
            while (true)
            {
                int read = await request.Body.ReadAsync(buffer.AsMemory(length), context.RequestAborted).ConfigureAwait(false);
                if (read == 0) return Parse(buffer.AsSpan(0, length), type);
                length += read;
                if (length > bytesMax) return new(null, Problem.TooLarge(bytesMax));
                if (length == buffer.Length) buffer = Grow(buffer, length);
            }
        }
        catch (BadHttpRequestException error)
        {
            return new(null, error.StatusCode == StatusCodes.Status413PayloadTooLarge ? Problem.TooLarge(bytesMax) : Problem.BadRequest("The body could not be read."));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    /// <summary>Parses bytes that were read elsewhere, by the same rules.</summary>
    public static JsonBody<T> Parse<T>(ReadOnlySpan<byte> utf8, JsonTypeInfo<T> type)
        where T : class
    {
        if (!Utf8.IsValid(utf8)) return new(null, Problem.BadRequest("The body is not UTF-8."));
        try
        {
            var reader = new Utf8JsonReader(utf8, Reading);
            T? value = JsonSerializer.Deserialize(ref reader, type);
            _ = reader.Read(); // throws when something follows the value
            return value is null ? new(null, Problem.BadRequest("The body is null where an object is needed.")) : new(value, null);
        }
        catch (JsonException error)
        {
            return new(null, Problem.BadRequest(Describe(error, utf8.IsEmpty)));
        }
    }

    private static string Describe(JsonException error, bool empty)
    {
        if (empty) return "The body is empty where an object is needed.";
        int cut = error.Message.AsSpan().IndexOfAny(Details);
        string what = cut < 0 ? error.Message : error.Message[..cut];
        string at = error.LineNumber is { } line ? $" At line {line + 1}, position {error.BytePositionInLine + 1}" : "";
        string path = error.Path is { Length: > 0 } and not "$" ? $" ({error.Path})" : "";
        return $"{what}{at}{path}{(at.Length + path.Length > 0 ? "." : "")}";
    }

    private static byte[] Grow(byte[] buffer, int length)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        return larger;
    }
}
