using Mesh30K.Protocol.Identity;

namespace Mesh30K.Protocol.Messages;

/// <summary>The names of an enum on the wire, in the order of its values. Immutable, safe on any thread.</summary>
/// <typeparam name="T">The enum; its values are 0, 1, 2 … without gaps.</typeparam>
public sealed class WireNames<T>
    where T : struct, Enum
{
    private readonly string[] _names;
    private readonly T[] _values = Enum.GetValues<T>();

    internal WireNames(params string[] names) => _names = names.Length == _values.Length
        ? names
        : throw new ArgumentException("a name for each value", nameof(names));

    public IReadOnlyList<string> Names => _names;

    public IReadOnlyList<T> Values => _values;

    /// <summary>The name of a value. Throws when the enum has no such value: a bug.</summary>
    public string NameOf(T value) => _names[Array.IndexOf(_values, value)];

    /// <summary>The value with exactly this name. Never throws.</summary>
    public bool TryParse(string? name, out T value)
    {
        int index = Array.IndexOf(_names, name);
        value = index < 0 ? default : _values[index];
        return index >= 0;
    }
}

/// <summary>The names on the wire of the enums of M 1.4, 2.3, 2.4, 3.3, 5.1 and appendix B. Compared exactly, also in case.</summary>
public static class WireNames
{
    public static readonly WireNames<Verb> Verbs = new("observe", "orient", "decide", "act", "record", "sync");

    public static readonly WireNames<RoutingStrategy> RoutingStrategies = new("direct", "broadcast", "scatter-gather", "pipeline");

    public static readonly WireNames<CascadeStrategy> CascadeStrategies = new("wave", "parallel", "priority-first");

    public static readonly WireNames<OperationalState> OperationalStates = new("active", "degraded", "offline", "quarantined");

    public static readonly WireNames<ConflictType> ConflictTypes = new(
        "CONTEXT_DIVERGENCE", "DATA_CONTRADICTION", "TEMPORAL_PARADOX", "CAPABILITY_MISMATCH", "HASH_MISMATCH", "OTHER");

    public static readonly WireNames<CircuitAction> CircuitActions = new("OPEN", "HALF_OPEN", "CLOSE");

    public static readonly WireNames<MeshScope> MeshScopes = new("cluster", "sector", "global");

    public static readonly WireNames<MessageType> MessageTypes = new(
        "MESSAGE", "HEARTBEAT", "COORDINATE", "ACK", "CIRCUIT", "FREEZE", "CLUSTER_SUMMARY", "SECTOR_SUMMARY", "GLOBAL_STATS",
        "HELLO", "CHALLENGE", "PROOF", "WELCOME", "REFUSED", "BYE", "CANCEL", "CLOCK", "THAW", "ROTATE", "ROTATED", "MESH_KEY");

    public static readonly WireNames<ImpedanceClass> Classes = new(
        "CLASS_A_EDGE", "CLASS_B_SERVERLESS", "CLASS_C_PERSISTENT", "CLASS_D_GPU", "CLASS_E_LOCAL", "CLASS_F_HUMAN");
}
