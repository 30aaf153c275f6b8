using Mesh30K.Coordination.Delegation;
using Mesh30K.Node.Hosting;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Delegation;

/// <summary>The delegations of this run of the node. Thread-safe.</summary>
internal sealed class Delegations(MeshHost mesh, CancellationToken stopping)
{
    /// <summary>In progress at once; one more is refused (policy <c>reject-newest</c>). Half of the direct operations that the mesh runs at once: with a hedge each takes two.</summary>
    public const int RunningMax = 500;

    /// <summary>Kept, with their results; policy <c>drop-oldest-ended</c>.</summary>
    public const int KeptMax = 1_000;

    private readonly Lock _gate = new();
    private readonly MessageIdSource _ids = new(System.Security.Cryptography.RandomNumberGenerator.GetBytes(MessageIdSource.SeedLength));
    private readonly Dictionary<MessageId, DelegationJob> _byId = [];
    private readonly Queue<DelegationJob> _inOrder = new();

    /// <summary>Starts one; null when too many are in progress.</summary>
    public DelegationJob? Start(DelegationTask task, IReadOnlyList<DelegationCandidate> candidates)
    {
        DelegationJob job;
        lock (_gate)
        {
            if (_byId.Values.Count(j => !j.Ended.IsCompleted) >= RunningMax) return null;
            job = new DelegationJob(mesh, _ids.Next(mesh.Clock.Now), task, candidates, stopping);
            _byId.Add(job.Id, job);
            _inOrder.Enqueue(job);
            for (int looked = 0; _byId.Count > KeptMax && looked < KeptMax; looked++)
            {
                DelegationJob oldest = _inOrder.Dequeue();
                if (oldest.Ended.IsCompleted) _byId.Remove(oldest.Id);
                else _inOrder.Enqueue(oldest);
            }
        }
        job.Start();
        return job;
    }

    public DelegationJob? Find(MessageId id)
    {
        lock (_gate) return _byId.GetValueOrDefault(id);
    }
}
