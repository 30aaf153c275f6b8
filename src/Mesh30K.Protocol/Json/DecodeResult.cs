using System.Diagnostics.CodeAnalysis;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Json;

/// <summary>Why bytes are not a message.</summary>
public enum DecodeErrorCode : byte
{
    /// <summary>More bytes than <see cref="CodecLimits.BytesMax"/>; nothing was read.</summary>
    TooLarge,

    /// <summary>Not UTF-8.</summary>
    NotUtf8,

    /// <summary>Not JSON by RFC 8259: cut off, a comment, something after the end.</summary>
    NotJson,

    /// <summary>Nested deeper than <see cref="CodecLimits.DepthMax"/>.</summary>
    TooDeep,

    /// <summary>JSON, but not an object.</summary>
    NotAnObject,

    /// <summary>The <c>type</c> is none that this version knows.</summary>
    UnknownType,

    /// <summary>A field that must be there is not.</summary>
    MissingField,

    /// <summary>A field is there twice.</summary>
    DuplicateField,

    /// <summary>A field has a value that it cannot have.</summary>
    InvalidValue,

    /// <summary>A list, a string or the unknown fields are more than <see cref="CodecLimits"/> allows.</summary>
    LimitExceeded,
}

/// <summary>Why bytes are not a message, and where.</summary>
/// <param name="Code">The kind.</param>
/// <param name="Message">For people; says nothing of the value itself.</param>
/// <param name="Path">The field, as <c>$.impedance.agent_id</c>; <c>$</c> when it is the message as a whole.</param>
/// <param name="Position">Where in the bytes the reader stood, from 0; −1 when the rule is about the whole.</param>
public sealed record DecodeError(DecodeErrorCode Code, string Message, string Path, long Position)
{
    public override string ToString() => $"{Code} at {Path} (byte {Position}): {Message}";
}

/// <summary>A message, or why there is none: exactly one of the two.</summary>
public readonly record struct DecodeResult
{
    private DecodeResult(WireMessage? message, DecodeError? error)
    {
        Message = message;
        Error = error;
    }

    public WireMessage? Message { get; }

    public DecodeError? Error { get; }

    [MemberNotNullWhen(true, nameof(Message))]
    [MemberNotNullWhen(false, nameof(Error))]
    public bool IsMessage => Message is not null;

    internal static DecodeResult Ok(WireMessage message) => new(message, null);

    internal static DecodeResult Failed(DecodeErrorCode code, string message, string path, long position) =>
        new(null, new DecodeError(code, message, path, position));
}
