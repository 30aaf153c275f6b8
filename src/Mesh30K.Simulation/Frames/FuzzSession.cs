using System.Buffers;
using System.Text;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Simulation.Frames;

/// <summary>The keys of one run: a mesh, some agents, and for each sender a second valid key, a revoked one and an expired one. Made from the seed; shared by all sessions; read only.</summary>
internal sealed class FuzzWorld : IDisposable
{
    internal const int Senders = 6;

    private readonly List<Ed25519PrivateKey> _all = [];

    internal FuzzWorld(ulong seed)
    {
        Random r = FrameFuzz.RandomOf(seed, -1);
        byte[] bytes = new byte[8];
        for (int i = 0; i < Senders; i++)
        {
            r.NextBytes(bytes);
            Parties.Add(new Party(i == 0 ? MeshId.From(bytes) : $"agent-{i}", Key(r), Key(r), Key(r), Key(r)));
        }
        r.NextBytes(bytes);
        Stranger = new Party(MeshId.From(bytes), Key(r), Key(r), Key(r), Key(r));
    }

    /// <summary>The mesh first, then agents.</summary>
    internal List<Party> Parties { get; } = [];

    /// <summary>Another mesh.</summary>
    internal Party Stranger { get; }

    public void Dispose() => _all.ForEach(k => k.Dispose());

    private Ed25519PrivateKey Key(Random r)
    {
        byte[] seed = new byte[Ed25519PrivateKey.SeedBytes];
        r.NextBytes(seed);
        _all.Add(Ed25519PrivateKey.FromSeed(seed));
        return _all[^1];
    }

    internal sealed record Party(string Id, Ed25519PrivateKey Key, Ed25519PrivateKey Next, Ed25519PrivateKey Revoked, Ed25519PrivateKey Expired);
}

/// <summary>One session with a gate under test: makes good frames, remembers those that were accepted, and knows what everybody's keys are. Deterministic from its random numbers.</summary>
internal sealed class FuzzSession
{
    private const int BatchMax = 9;
    private const int MessagesMax = 4;
    private const int KeptMax = 20;

    private readonly FrameBatch _batch = new();
    private readonly ArrayBufferWriter<byte> _output = new();
    private readonly HashSet<KeyId> _revoked;

    internal FuzzSession(FuzzWorld world, Random random, VerifiedRoots? roots)
    {
        World = world;
        Random = random;
        bool fromMesh = random.Next(2) == 0;
        FuzzWorld.Party agent = world.Parties[random.Next(1, FuzzWorld.Senders)];
        Sender = fromMesh ? world.Parties[0] : agent;
        Self = fromMesh ? agent : world.Parties[0];
        Now = Instant.FromUnixMs(1_767_323_045_000) + TimeSpan.FromMilliseconds(random.Next(1_000_000));
        Epoch = random.NextInt64(1, FrameLimits.NumberMax - 1_000);
        Seq = random.Next(3) == 0 ? 0 : random.NextInt64(200, FrameLimits.NumberMax - 100_000);
        _revoked = [Sender.Revoked.PublicKey.Id];
        Gate = new FrameGate(Sender.Id, Self.Id, Epoch, KeyOf, roots);
    }

    internal FuzzWorld World { get; }

    internal Random Random { get; }

    internal FuzzWorld.Party Sender { get; }

    internal FuzzWorld.Party Self { get; }

    internal FrameGate Gate { get; }

    internal Instant Now { get; private set; }

    internal long Epoch { get; }

    /// <summary>The number of the newest good frame.</summary>
    internal long Seq { get; private set; }

    /// <summary>Whether the gate has seen numbers high enough that there are some below its window.</summary>
    internal bool HasNumbersBelowWindow => Seq > FrameLimits.Window + 1 && Accepted.Count > 0;

    /// <summary>Frames that were accepted and whose time is not over, newest last.</summary>
    internal List<byte[]> Accepted { get; } = [];

    /// <summary>Another good frame of the same batch, or of an earlier one.</summary>
    internal byte[] Neighbour { get; private set; } = [];

    /// <summary>A good frame, the next of its session, alone or out of a batch.</summary>
    internal byte[] Next()
    {
        Now += TimeSpan.FromMilliseconds(Random.Next(50));
        Seq += Random.Next(10) == 0 ? Random.Next(2, 40) : 1;
        int frames = Random.Next(2) == 0 ? 1 : Random.Next(2, BatchMax + 1), mine = Random.Next(frames);
        Ed25519PrivateKey key = Random.Next(4) == 0 ? Sender.Next : Sender.Key;
        _batch.Clear();
        for (int i = 0; i < frames; i++)
        {
            FrameHeader header = new()
            {
                From = Sender.Id,
                To = i == mine ? Self.Id : $"other-{i}",
                Epoch = i == mine ? Epoch : Epoch + 1 + i,
                Seq = Seq,
                SentAt = Now + TimeSpan.FromMilliseconds(Random.Next(-1000, 1000)),
                ExpiresAt = Now + TimeSpan.FromSeconds(Random.Next(30, 200)),
                Key = key.PublicKey.Id,
            };
            _ = _batch.Begin(header);
            for (int m = Random.Next(MessagesMax); m >= 0; m--) _batch.AddMessage(Encoding.UTF8.GetBytes(Message()));
        }
        _batch.Seal(key);
        Neighbour = frames > 1 ? Written((mine + 1) % frames) : Accepted.Count > 0 ? Accepted[^1] : Written(mine);
        return Written(mine);
    }

    /// <summary>A message that a session could carry; also with text beyond ASCII.</summary>
    internal string Message() => Random.Next(4) switch
    {
        0 => $"{{\"type\":\"HEARTBEAT\",\"agent_id\":\"agent-1\",\"timestamp\":\"2026-01-02T03:04:05Z\",\"queue_depth\":{Random.Next(1000)}}}",
        1 => $"{{\"type\":\"BYE\",\"reason\":\"é漢 {Random.Next()}\"}}",
        2 => $"{{\"type\":\"ACK\",\"result\":\"{new string('x', Random.Next(300))}\"}}",
        _ => $"{{\"n\":{Random.Next()}}}",
    };

    internal void Accept(byte[] frame)
    {
        Accepted.Add(frame);
        if (Accepted.Count > KeptMax) Accepted.RemoveAt(0);
    }

    private Ed25519PublicKey? KeyOf(KeyId id, Instant now)
    {
        if (_revoked.Contains(id)) return null;
        if (id == Sender.Key.PublicKey.Id) return Sender.Key.PublicKey;
        if (id == Sender.Next.PublicKey.Id) return Sender.Next.PublicKey;
        // Valid until long ago: what a directory says of an expired key.
        return id == Sender.Expired.PublicKey.Id && now <= new Instant(1) ? Sender.Expired.PublicKey : null;
    }

    private byte[] Written(int frame)
    {
        _output.ResetWrittenCount();
        _batch.Write(frame, _output);
        return _output.WrittenSpan.ToArray();
    }
}
