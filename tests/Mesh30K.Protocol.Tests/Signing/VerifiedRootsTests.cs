using System.Text;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>What was verified once is not verified again, and nothing else is let through by it.</summary>
public sealed class VerifiedRootsTests : IDisposable
{
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly Ed25519PrivateKey _other = Ed25519PrivateKey.Generate();
    private readonly VerifiedRoots _roots = new(2);

    public void Dispose()
    {
        _key.Dispose();
        _other.Dispose();
    }

    private OpenedFrame Open(string text, Ed25519PrivateKey key) =>
        new FrameGate(FrameModel.Mesh, FrameModel.Agent, 5, (_, _) => key.PublicKey, _roots).Open(Encoding.UTF8.GetBytes(text), FrameModel.Now);

    [Fact]
    public void A_known_root_with_another_signature_is_refused()
    {
        FrameModel frame = new() { Key = _key };
        Assert.Equal(FrameRefusal.None, Open(frame.Text(), _key).Refusal);
        Assert.Equal(FrameRefusal.None, Open(frame.Text(), _key).Refusal);
        Assert.Equal(FrameRefusal.BadSignature, Open(frame.With("sig", $"\"{new string('A', 86)}\""), _key).Refusal);
        Assert.Equal(FrameRefusal.BadSignature, Open(frame.Text().Replace("done", "dome", StringComparison.Ordinal), _key).Refusal);
    }

    [Fact]
    public void A_root_is_known_under_its_own_key_only()
    {
        string frame = new FrameModel { Key = _key }.Text();
        Assert.Equal(FrameRefusal.None, Open(frame, _key).Refusal);
        Assert.Equal(FrameRefusal.BadSignature, Open(frame, _other).Refusal);
    }

    [Fact]
    public void A_refused_signature_is_not_remembered_as_good()
    {
        string forged = new FrameModel { Key = _key }.With("sig", $"\"{new string('A', 86)}\"");
        for (int i = 0; i < 3; i++) Assert.Equal(FrameRefusal.BadSignature, Open(forged, _key).Refusal);
    }

    [Fact]
    public void Old_roots_go_and_are_verified_again()
    {
        string[] frames = [.. Enumerable.Range(1, 9).Select(i => new FrameModel { Key = _key, Seq = i.ToString(System.Globalization.CultureInfo.InvariantCulture) }.Text())];
        foreach (string frame in (IEnumerable<string>)[.. frames, .. frames]) Assert.Equal(FrameRefusal.None, Open(frame, _key).Refusal);
        Assert.Equal(FrameRefusal.BadSignature, Open(frames[^1].Replace("done", "dome", StringComparison.Ordinal), _key).Refusal);
    }

    [Fact]
    public void It_has_a_size_in_bounds()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new VerifiedRoots(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new VerifiedRoots(65_537));
    }
}
