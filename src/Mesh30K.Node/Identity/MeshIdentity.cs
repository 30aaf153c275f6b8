using System.Security.Cryptography;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Identity;

/// <summary>The mesh's key file cannot be used; one line that says why and what to do. Never contains the key.</summary>
public sealed class MeshKeyException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>How long the mesh's keys live.</summary>
public sealed record MeshIdentityOptions
{
    /// <summary>A key signs for so long (M 9.1). Default 30 days.</summary>
    public TimeSpan RotateEvery { get; init; } = TimeSpan.FromDays(30);

    /// <summary>
    /// The next key is announced so long before it signs. Default 7 days. An agent that is away for longer, over a change of keys, has to be enrolled anew. Longer: the next key lies in the file for longer.
    /// </summary>
    public TimeSpan Announce { get; init; } = TimeSpan.FromDays(7);
}

/// <summary>One private key of the mesh, and the moment from which it signs.</summary>
internal sealed record MeshKey(Ed25519PrivateKey Key, Instant SignsFrom);

/// <summary>
/// The mesh's own id and key (<c>mesh.key</c> in the data directory, mode 0600, made at first start): what it signs with. The next key is announced before it signs. Thread-safe; reads are lock-free.
/// </summary>
public sealed class MeshIdentity : IDisposable
{
    private const string FileName = "mesh.key";

    private readonly string _path;
    private readonly MeshIdentityOptions _options;
    private readonly Lock _gate = new();
    private readonly List<MeshKey> _retired = [];
    private State _state;

    private MeshIdentity(string path, MeshIdentityOptions options, string meshId, Instant createdAt, IReadOnlyList<MeshKey> keys)
    {
        (_path, _options, MeshId) = (path, options, meshId);
        _state = new State(createdAt, keys);
    }

    /// <summary><c>mesh:</c> and 16 digits.</summary>
    public string MeshId { get; }

    /// <summary>The key that signs now. Stays usable until <see cref="Dispose"/>, also when another follows it.</summary>
    public Ed25519PrivateKey Signing => Volatile.Read(ref _state).Keys[0].Key;

    /// <summary>All public keys that agents should trust now: the signing one first and, when it is announced, the next.</summary>
    public IReadOnlyList<Ed25519PublicKey> Trusted => Volatile.Read(ref _state).Trusted;

    /// <summary>When the next key begins to sign; null when none is announced.</summary>
    public Instant? NextSignsFrom => Volatile.Read(ref _state).Keys is [_, { } next] ? next.SignsFrom : null;

    /// <summary>Called when a next key was announced and is durable: agents that are connected should hear of it now (MESH_KEY). On the thread of the call that did it.</summary>
    public Action<Ed25519PublicKey>? Announced { get; set; }

    /// <summary>
    /// Reads the file, or makes it. Errors: <see cref="MeshKeyException"/> when it is readable by others, damaged, or cannot be read or written.
    /// </summary>
    public static MeshIdentity LoadOrCreate(string dataDirectory, Instant now, MeshIdentityOptions? options = null)
    {
        string path = Path.Combine(dataDirectory, FileName);
        if (!File.Exists(path))
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            MeshKeyFile.Write(path, new MeshKeyFile(Protocol.Signing.MeshId.From(RandomNumberGenerator.GetBytes(8)), now, [new MeshKey(key, now)]), replace: false);
        }
        MeshKeyFile file = MeshKeyFile.Read(path);
        MeshIdentity identity = new(path, options ?? new MeshIdentityOptions(), file.MeshId, file.CreatedAt, file.Keys);
        identity.Advance(now);
        return identity;
    }

    /// <summary>
    /// What time brings: the announced key takes over, and the next is announced when it is time. To be called every few minutes. Errors: <see cref="MeshKeyException"/>; nothing has changed then.
    /// </summary>
    public void Advance(Instant now)
    {
        Ed25519PublicKey? announced;
        lock (_gate)
        {
            State state = _state;
            if (state.Keys is [_, { } next] && next.SignsFrom <= now) Store_NeedsLock(state with { Keys = [next] });
            Instant changes = _state.Keys[0].SignsFrom + _options.RotateEvery;
            bool isDue = _state.Keys.Count == 1 && changes - _options.Announce <= now;
            announced = isDue ? AnnounceNext_NeedsLock(Later(changes, now + _options.Announce)) : null;
        }
        if (announced is not null) Announced?.Invoke(announced);
    }

    /// <summary>
    /// Announces the next key now, to sign after <see cref="MeshIdentityOptions.Announce"/>. False when one is announced already. Durable when this returns. Errors: <see cref="MeshKeyException"/>.
    /// </summary>
    public bool Rotate(Instant now)
    {
        Ed25519PublicKey? announced;
        lock (_gate) announced = _state.Keys.Count == 1 ? AnnounceNext_NeedsLock(now + _options.Announce) : null;
        if (announced is not null) Announced?.Invoke(announced);
        return announced is not null;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (MeshKey key in _retired.Concat(_state.Keys)) key.Key.Dispose();
            _retired.Clear();
        }
    }

    /// <summary>Says only who and which key.</summary>
    public override string ToString() => $"MeshIdentity({MeshId}, {Signing.PublicKey.Id})";

    private Ed25519PublicKey AnnounceNext_NeedsLock(Instant signsFrom)
    {
        MeshKey next = new(Ed25519PrivateKey.Generate(), signsFrom);
        Store_NeedsLock(_state with { Keys = [_state.Keys[0], next] });
        return next.Key.PublicKey;
    }

    /// <summary>Durable first, then used. A key that signs no more may be in somebody's hands at this moment, so it is wiped at the end only.</summary>
    private void Store_NeedsLock(State state)
    {
        MeshKeyFile.Write(_path, new MeshKeyFile(MeshId, state.CreatedAt, state.Keys), replace: true);
        _retired.AddRange(_state.Keys.Except(state.Keys));
        Volatile.Write(ref _state, state);
    }

    private static Instant Later(Instant a, Instant b) => a > b ? a : b;

    private sealed record State(Instant CreatedAt, IReadOnlyList<MeshKey> Keys)
    {
        internal IReadOnlyList<Ed25519PublicKey> Trusted => [.. Keys.Select(k => k.Key.PublicKey)];
    }
}
