namespace Mesh30K.Protocol.Json;

/// <summary>
/// What a message may at most be. Every limit is refused with <see cref="DecodeErrorCode.TooLarge"/>,
/// <see cref="DecodeErrorCode.TooDeep"/> or <see cref="DecodeErrorCode.LimitExceeded"/>; a larger value costs memory that any sender
/// can make a reader spend. Peers of one mesh must agree.
/// </summary>
public sealed record CodecLimits
{
    public static CodecLimits Default { get; } = new();

    /// <summary>Bytes of a whole message. Default 1 MiB; 64 bytes to 64 MiB.</summary>
    public int BytesMax { get; init; } = 1 << 20;

    /// <summary>How deep objects and arrays nest, the message itself counted. Default 32; 4 to 64 (<see cref="RawJson.DepthMax"/>).</summary>
    public int DepthMax { get; init; } = 32;

    /// <summary>Agents named in a list or a map of a message. Default 32,768: a whole reference fleet.</summary>
    public int TargetsMax { get; init; } = 32_768;

    /// <summary>Capabilities in one list. Default 256.</summary>
    public int CapabilitiesMax { get; init; } = 256;

    /// <summary>Characters of a plain string: a reason, a label, a context hash, a capability. Default 256.</summary>
    public int StringCharsMax { get; init; } = 256;

    /// <summary>Bytes in UTF-8 of an ack's <c>result</c>. Default 64 KiB.</summary>
    public int ResultBytesMax { get; init; } = 64 * 1024;

    /// <summary>Fields of a message that this version does not know. Default 32.</summary>
    public int UnknownFieldsMax { get; init; } = 32;

    /// <summary>Throws when a value is out of its range: a bug in the configuration.</summary>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(BytesMax, 64);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(BytesMax, 64 << 20);
        ArgumentOutOfRangeException.ThrowIfLessThan(DepthMax, 4);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(DepthMax, RawJson.DepthMax);
        ArgumentOutOfRangeException.ThrowIfNegative(TargetsMax);
        ArgumentOutOfRangeException.ThrowIfNegative(CapabilitiesMax);
        ArgumentOutOfRangeException.ThrowIfNegative(StringCharsMax);
        ArgumentOutOfRangeException.ThrowIfNegative(ResultBytesMax);
        ArgumentOutOfRangeException.ThrowIfNegative(UnknownFieldsMax);
    }
}
