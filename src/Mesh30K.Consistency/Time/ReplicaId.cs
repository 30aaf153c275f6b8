using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Mesh30K.Consistency.Time;

/// <summary>
/// Who writes: an agent, a machine, a channel. 1 to 64 characters of <c>A–Z a–z 0–9 . _ -</c>, compared by ordinal; or <see cref="None"/>, the
/// writer that needs no name because it is the only one. Two writers with one name are a configuration error that no merge can see.
/// </summary>
public readonly struct ReplicaId : IEquatable<ReplicaId>, IComparable<ReplicaId>
{
    public const int CharsMax = 64;

    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    private readonly string? _name;

    private ReplicaId(string name) => _name = name;

    /// <summary>The writer without a name.</summary>
    public static ReplicaId None => default;

    public bool IsNone => _name is null;

    /// <summary>Throws <see cref="FormatException"/> for a name that is not allowed.</summary>
    public static ReplicaId Parse(string name) =>
        TryParse(name, out ReplicaId replica) ? replica : throw new FormatException($"a replica's name is 1 to {CharsMax} characters of A-Z a-z 0-9 . _ -");

    public static bool TryParse([NotNullWhen(true)] string? name, out ReplicaId replica)
    {
        bool valid = name is { Length: > 0 and <= CharsMax } && !name.AsSpan().ContainsAnyExcept(Allowed);
        replica = valid ? new ReplicaId(name!) : default;
        return valid;
    }

    public bool Equals(ReplicaId other) => string.Equals(_name, other._name, StringComparison.Ordinal);

    public override bool Equals(object? obj) => obj is ReplicaId other && Equals(other);

    /// <summary>FNV-1a of the name: the same in every process, unlike a string's own.</summary>
    public override int GetHashCode()
    {
        uint hash = 2_166_136_261;
        foreach (char c in _name ?? "") hash = (hash ^ c) * 16_777_619;
        return (int)hash;
    }

    public static bool operator ==(ReplicaId a, ReplicaId b) => a.Equals(b);

    public static bool operator !=(ReplicaId a, ReplicaId b) => !a.Equals(b);

    public static bool operator <(ReplicaId a, ReplicaId b) => a.CompareTo(b) < 0;

    public static bool operator >(ReplicaId a, ReplicaId b) => a.CompareTo(b) > 0;

    public static bool operator <=(ReplicaId a, ReplicaId b) => a.CompareTo(b) <= 0;

    public static bool operator >=(ReplicaId a, ReplicaId b) => a.CompareTo(b) >= 0;

    public int CompareTo(ReplicaId other) => string.CompareOrdinal(_name, other._name);

    /// <summary>The name; empty for <see cref="None"/>.</summary>
    public override string ToString() => _name ?? "";
}
