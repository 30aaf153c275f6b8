using System.Globalization;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>The checks of a gate, in their order, and its window.</summary>
public sealed class FrameGateTests : IDisposable
{
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly Ed25519PrivateKey _other = Ed25519PrivateKey.Generate();

    public void Dispose()
    {
        _key.Dispose();
        _other.Dispose();
    }

    private FrameModel Frame => new() { Key = _key };

    private FrameGate Gate => FrameModel.Gate(_key);

    [Fact]
    public void Another_sender_or_receiver_is_a_wrong_address()
    {
        Gate.Refuses(FrameRefusal.WrongAddress, (Frame with { To = "agent-8" }).Text());
        Gate.Refuses(FrameRefusal.WrongAddress, (Frame with { From = "agent-7" }).Text());
        Gate.Refuses(FrameRefusal.WrongAddress, (Frame with { From = FrameModel.Agent, To = FrameModel.Mesh }).Text());
        Gate.Refuses(FrameRefusal.WrongAddress, (Frame with { To = "agent-77" }).Text());
    }

    [Fact]
    public void Another_epoch_is_refused_and_the_first_accepted_frame_sets_an_open_one()
    {
        Gate.Refuses(FrameRefusal.WrongEpoch, (Frame with { Epoch = "4" }).Text());
        Gate.Refuses(FrameRefusal.WrongEpoch, (Frame with { Epoch = "6" }).Text());

        FrameGate open = new(FrameModel.Mesh, FrameModel.Agent, 0, (id, _) => id == _key.PublicKey.Id ? _key.PublicKey : null);
        open.Refuses(FrameRefusal.UnknownKey, (Frame with { Epoch = "9", Key = _other }).Text());
        Assert.Equal(0, open.Epoch);
        Assert.Equal(FrameRefusal.None, open.Open((Frame with { Epoch = "7" }).Text()).Refusal);
        Assert.Equal(7, open.Epoch);
        open.Refuses(FrameRefusal.WrongEpoch, (Frame with { Epoch = "9", Seq = "2" }).Text());
    }

    [Theory]
    [InlineData("2026-01-02T03:04:05Z", "2026-01-02T03:04:35Z", FrameRefusal.None)]
    [InlineData("2026-01-02T03:03:05Z", "2026-01-02T03:04:05Z", FrameRefusal.None)] // at its last moment
    [InlineData("2026-01-02T03:03:05Z", "2026-01-02T03:04:04.9999999Z", FrameRefusal.Expired)]
    [InlineData("2026-01-02T03:04:35Z", "2026-01-02T03:04:35Z", FrameRefusal.Expired)]
    [InlineData("2026-01-02T03:04:36Z", "2026-01-02T03:04:35Z", FrameRefusal.Expired)]
    [InlineData("2026-01-02T03:04:05Z", "2026-01-02T03:09:05Z", FrameRefusal.None)]
    [InlineData("2026-01-02T03:04:05Z", "2026-01-02T03:09:05.0000001Z", FrameRefusal.Expired)]
    [InlineData("2026-01-02T03:05:05Z", "2026-01-02T03:05:35Z", FrameRefusal.None)]
    [InlineData("2026-01-02T03:05:05.0000001Z", "2026-01-02T03:05:35Z", FrameRefusal.Expired)]
    [InlineData("9999-12-31T23:59:58Z", "9999-12-31T23:59:59Z", FrameRefusal.Expired)]
    public void Times_bound_a_frame(string sentAt, string expiresAt, FrameRefusal expected) =>
        Assert.Equal(expected, Gate.Open((Frame with { SentAt = sentAt, ExpiresAt = expiresAt }).Text()).Refusal);

    [Fact]
    public void A_key_that_is_not_known_or_no_longer_valid_is_refused()
    {
        Gate.Refuses(FrameRefusal.UnknownKey, (Frame with { Key = _other }).Text());
        Instant until = FrameModel.Now - TimeSpan.FromSeconds(1);
        FrameGate gate = new(FrameModel.Mesh, FrameModel.Agent, 5, (id, now) => id == _key.PublicKey.Id && now <= until ? _key.PublicKey : null);
        gate.Refuses(FrameRefusal.UnknownKey, Frame.Text());
    }

    [Fact]
    public void A_key_id_that_names_another_key_does_not_help()
    {
        string forged = Frame.With("key", $"\"{_other.PublicKey.Id}\"");
        FrameModel.Gate(_key, _other).Refuses(FrameRefusal.BadSignature, forged);
    }

    [Fact]
    public void Every_signed_field_is_covered()
    {
        FrameGate anyEpoch = new(FrameModel.Mesh, FrameModel.Agent, 0, (id, _) => id == _key.PublicKey.Id ? _key.PublicKey : null);
        foreach ((string field, string json) in ((string, string)[])[("epoch", "6"), ("seq", "2"), ("sent_at", "\"2026-01-02T03:04:05.0Z\""), ("expires_at", "\"2026-01-02T03:04:35.0Z\""), ("expires_at", "\"2026-01-02T03:04:36Z\"")])
            anyEpoch.Refuses(FrameRefusal.BadSignature, Frame.With(field, json), field);
        foreach ((string From, string To) pair in ((string, string)[])[("agent-9", FrameModel.Agent), (FrameModel.Mesh, "agent-9")])
        {
            FrameGate gate = new(pair.From, pair.To, 5, (_, _) => _key.PublicKey);
            string text = Frame.Text().Replace(FrameModel.Mesh, pair.From, StringComparison.Ordinal).Replace(FrameModel.Agent, pair.To, StringComparison.Ordinal);
            gate.Refuses(FrameRefusal.BadSignature, text);
        }
    }

    [Fact]
    public void A_replay_is_refused_and_a_refused_frame_does_not_count()
    {
        FrameGate gate = Gate;
        string good = Frame.Text();
        gate.Refuses(FrameRefusal.BadSignature, good.Replace("done", "dome", StringComparison.Ordinal));
        Assert.Equal(FrameRefusal.None, gate.Open(good).Refusal);
        gate.Refuses(FrameRefusal.Replayed, good);
        Assert.Equal(FrameRefusal.None, gate.Open((Frame with { Seq = "2" }).Text()).Refusal);
        gate.Refuses(FrameRefusal.Replayed, good);
    }

    /// <summary>The product keeps one number and 64 bits; the model keeps all numbers.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_window_is_that_of_a_model_that_remembers_all(int seed)
    {
        Random r = new(seed);
        FrameGate gate = Gate;
        HashSet<long> seen = [];
        long highest = 0;
        for (int step = 0; step < 600; step++)
        {
            long seq = r.Next(12) == 0 ? highest + r.NextInt64(1, 200) : highest - r.Next(-3, 70);
            if (r.Next(40) == 0) seq = highest + new long[] { 63, 64, 65, 128 }[r.Next(4)];
            if (seq is < 1) continue;
            FrameRefusal expected = seen.Contains(seq) || seq < highest - 64 ? FrameRefusal.Replayed : FrameRefusal.None;
            FrameRefusal actual = gate.Open((Frame with { Seq = seq.ToString(CultureInfo.InvariantCulture) }).Text()).Refusal;
            Assert.True(expected == actual, $"seed {seed}, step {step}: highest {highest}, seq {seq}: {actual}, expected {expected}");
            if (actual != FrameRefusal.None) continue;
            seen.Add(seq);
            highest = Math.Max(highest, seq);
        }
        Assert.Equal(FrameRefusal.None, gate.Open((Frame with { Seq = "9007199254740991" }).Text()).Refusal);
        gate.Refuses(FrameRefusal.Replayed, (Frame with { Seq = "9007199254740991" }).Text());
        Assert.Equal(FrameRefusal.None, gate.Open((Frame with { Seq = "9007199254740927" }).Text()).Refusal);
        gate.Refuses(FrameRefusal.Replayed, (Frame with { Seq = "9007199254740926" }).Text());
    }

    /// <summary>The first thing that is wrong decides the word, so that all receivers say the same.</summary>
    [Fact]
    public void Checks_come_in_the_documented_order()
    {
        FrameModel worst = Frame with { To = "x", Epoch = "9", ExpiresAt = "2026-01-02T03:04:04Z", SentAt = "2026-01-02T03:04:03Z", Key = _other };
        FrameGate gate = Gate;
        Assert.Equal(FrameRefusal.None, gate.Open(Frame.Text()).Refusal);
        gate.Refuses(FrameRefusal.Malformed, worst.With("extra", "1"));
        gate.Refuses(FrameRefusal.WrongAddress, worst.Text());
        gate.Refuses(FrameRefusal.WrongEpoch, (worst with { To = FrameModel.Agent }).Text());
        gate.Refuses(FrameRefusal.Expired, (worst with { To = FrameModel.Agent, Epoch = "5" }).Text());
        gate.Refuses(FrameRefusal.UnknownKey, (Frame with { Key = _other }).Text());
        gate.Refuses(FrameRefusal.Replayed, Frame.Text().Replace("done", "dome", StringComparison.Ordinal));
    }
}
