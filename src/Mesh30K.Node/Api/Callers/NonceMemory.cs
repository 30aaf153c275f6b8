using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Api.Callers;

/// <summary>What a nonce is to the memory.</summary>
internal enum NonceVerdict
{
    /// <summary>It was not seen, and counts as seen from now on.</summary>
    New,

    /// <summary>It was seen: the request is a repetition.</summary>
    Seen,

    /// <summary>So old that it would be forgotten already: whether it was seen cannot be told.</summary>
    TooOld,

    /// <summary>The agent has as many as one agent may have; it was not looked at further.</summary>
    AgentFull,

    /// <summary>All agents together have as many as there may be.</summary>
    Full,
}

/// <summary>
/// Remembers the nonces of accepted requests for as long as the request would be accepted again. Bounded for each agent and for all; policy <c>refuse-newest</c>, since to forget one early would let its request be
/// repeated. The time is the mesh's clock. Thread-safe; a call costs a hash.
/// </summary>
/// <remarks>
/// Kept by the second in which the request says that it was made: a repetition says the same, because that is signed, and a whole second is forgotten at once when it is too old for anybody.
/// </remarks>
internal sealed class NonceMemory(SignatureOptions options)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, HashSet<(AgentId Agent, UInt128 Nonce)>> _bySecond = [];
    private readonly Dictionary<AgentId, int> _counts = [];
    private int _count;

    /// <summary>Requests of this second and before are forgotten.</summary>
    private long _forgotten = long.MinValue;

    /// <summary>How many are remembered.</summary>
    internal int Count
    {
        get
        {
            lock (_gate) return _count;
        }
    }

    /// <summary>Takes the nonce of a request whose signature holds and whose time was checked.</summary>
    /// <param name="created">The second that the request names.</param>
    internal NonceVerdict Take(AgentId agent, string nonce, long created, Instant now)
    {
        (AgentId, UInt128) entry = (agent, HashOf(nonce));
        lock (_gate)
        {
            Forget_NeedsLock(now);
            if (created <= _forgotten) return NonceVerdict.TooOld; // another request looked at the clock later, and was here before
            if (!_bySecond.TryGetValue(created, out var seen)) seen = [];
            if (seen.Contains(entry)) return NonceVerdict.Seen;
            int before = _counts.GetValueOrDefault(agent);
            if (before >= options.NoncesPerAgentMax) return NonceVerdict.AgentFull;
            if (_count >= options.NoncesMax) return NonceVerdict.Full;
            seen.Add(entry);
            _bySecond[created] = seen;
            _counts[agent] = before + 1;
            _count++;
            return NonceVerdict.New;
        }
    }

    private void Forget_NeedsLock(Instant now)
    {
        while (_bySecond.Count > 0)
        {
            (long second, HashSet<(AgentId Agent, UInt128 Nonce)> over) = _bySecond.First();
            if (now - SignatureGate.InstantOf(second) <= options.AgeMax) return;
            foreach ((AgentId agent, _) in over)
            {
                int left = _counts[agent] - 1;
                Invariant.Check(left >= 0);
                if (left == 0) _counts.Remove(agent);
                else _counts[agent] = left;
            }
            _count -= over.Count;
            _forgotten = second;
            _bySecond.Remove(second);
        }
    }

    /// <summary>128 bits are enough to tell nonces apart, and take the same room for each.</summary>
    private static UInt128 HashOf(string nonce)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(nonce), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }
}
