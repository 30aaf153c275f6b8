using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mesh30K.Protocol.Messages;

/// <summary>Which message a JSON object is: the <c>type</c> field on the wire (M appendix B).</summary>
public enum MessageType : byte
{
    /// <summary><c>MESSAGE</c>, also taken where there is no <c>type</c>: <see cref="MeshMessage"/>.</summary>
    Message,

    /// <summary><c>HEARTBEAT</c>: <see cref="HeartbeatMessage"/>.</summary>
    Heartbeat,

    /// <summary><c>COORDINATE</c>: <see cref="CoordinationMessage"/>.</summary>
    Coordinate,

    /// <summary><c>ACK</c>: <see cref="AcknowledgeMessage"/>.</summary>
    Ack,

    /// <summary><c>CIRCUIT</c>: <see cref="CircuitBreakerMessage"/>.</summary>
    Circuit,

    /// <summary><c>FREEZE</c>: <see cref="FreezeMessage"/>.</summary>
    Freeze,

    /// <summary><c>CLUSTER_SUMMARY</c> (ours): <see cref="ClusterImpedanceSummary"/>.</summary>
    ClusterSummary,

    /// <summary><c>SECTOR_SUMMARY</c> (ours): <see cref="SectorImpedanceSummary"/>.</summary>
    SectorSummary,

    /// <summary><c>GLOBAL_STATS</c> (ours): <see cref="GlobalImpedanceStats"/>.</summary>
    GlobalStats,

    /// <summary><c>HELLO</c> (ours): <see cref="HelloMessage"/>.</summary>
    Hello,

    /// <summary><c>CHALLENGE</c> (ours): <see cref="ChallengeMessage"/>.</summary>
    Challenge,

    /// <summary><c>PROOF</c> (ours): <see cref="ProofMessage"/>.</summary>
    Proof,

    /// <summary><c>WELCOME</c> (ours): <see cref="WelcomeMessage"/>.</summary>
    Welcome,

    /// <summary><c>REFUSED</c> (ours): <see cref="RefusedMessage"/>.</summary>
    Refused,

    /// <summary><c>BYE</c> (ours): <see cref="ByeMessage"/>.</summary>
    Bye,

    /// <summary><c>CANCEL</c> (ours): <see cref="CancelMessage"/>.</summary>
    Cancel,

    /// <summary><c>CLOCK</c> (ours): <see cref="ClockMessage"/>.</summary>
    Clock,

    /// <summary><c>THAW</c> (ours): <see cref="ThawMessage"/>.</summary>
    Thaw,

    /// <summary><c>ROTATE</c> (ours): <see cref="RotateMessage"/>.</summary>
    Rotate,

    /// <summary><c>ROTATED</c> (ours): <see cref="RotatedMessage"/>.</summary>
    Rotated,

    /// <summary><c>MESH_KEY</c> (ours): <see cref="MeshKeyMessage"/>.</summary>
    MeshKey,
}

/// <summary>
/// What can stand alone on a wire. Immutable, safe on any thread. Two messages are equal when their fields are; lists and maps count by
/// reference, so compare encoded bytes where the content matters.
/// </summary>
public abstract record WireMessage
{
    /// <summary>Which message this is.</summary>
    [JsonPropertyOrder(-1)]
    public abstract MessageType Type { get; }

    /// <summary>
    /// Fields that this version does not know, kept and written again so that newer peers understand each other through us. Null when there
    /// are none. Not to be changed. Bounded by <see cref="Json.CodecLimits.UnknownFieldsMax"/>.
    /// </summary>
    [JsonExtensionData]
    [JsonInclude]
    public IDictionary<string, JsonElement>? UnknownFields { get; internal set; }
}
