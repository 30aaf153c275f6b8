using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Identity;

/// <summary>
/// What a node knows of who is who: the directory of agents and the mesh's own key, both in its data directory, and the clock by which keys end. Looks every minute whether the mesh's key is to change.
/// Thread-safe; owned by the node's server.
/// </summary>
public sealed class NodeIdentity : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);

    private readonly MeshClock _clock;
    private readonly Timer _look;
    private string? _failure;

    private NodeIdentity(AgentDirectory directory, MeshIdentity mesh, MeshClock clock)
    {
        (Directory, Mesh, _clock) = (directory, mesh, clock);
        _look = new Timer(_ => Look(), null, LookEvery, LookEvery);
    }

    public AgentDirectory Directory { get; }

    public MeshIdentity Mesh { get; }

    /// <summary>The present moment of the mesh's clock.</summary>
    public Instant Now => _clock.Now;

    /// <summary>Why enrolment or the mesh's key do not work any more; null while they do.</summary>
    public string? NotReadyBecause => Directory.NotReadyBecause ?? Volatile.Read(ref _failure);

    /// <summary>Opens both. Errors: <see cref="Storage.JournalException"/>, <see cref="MeshKeyException"/>; nothing is left open then.</summary>
    public static NodeIdentity Open(string dataDirectory, MeshClock clock)
    {
        ArgumentNullException.ThrowIfNull(clock);
        MeshIdentity mesh = MeshIdentity.LoadOrCreate(dataDirectory, clock.Now);
        try
        {
            return new NodeIdentity(AgentDirectory.Open(dataDirectory, clock.Now), mesh, clock);
        }
        catch
        {
            mesh.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _look.DisposeAsync().ConfigureAwait(false);
        await Directory.DisposeAsync().ConfigureAwait(false);
        Mesh.Dispose();
    }

    private void Look()
    {
        try
        {
            Mesh.Advance(Now);
            Volatile.Write(ref _failure, null);
        }
        catch (MeshKeyException failed)
        {
            Volatile.Write(ref _failure, failed.Message); // tried again at the next look; the present key goes on signing
        }
    }
}
