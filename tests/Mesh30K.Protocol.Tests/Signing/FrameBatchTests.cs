using System.Text;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>Frames out: one signature for many, and that nothing of them can be changed.</summary>
public sealed class FrameBatchTests : IDisposable
{
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly FrameBatch _batch = new();

    public void Dispose() => _key.Dispose();

    private FrameModel Frame => new() { Key = _key };

    private byte[][] Sealed(int frames)
    {
        _batch.Clear();
        for (int i = 0; i < frames; i++)
        {
            Assert.Equal(i, _batch.Begin((Frame with { To = "agent-" + i }).Header()));
            for (int m = 0; m <= i % 3; m++) _batch.AddMessage(Encoding.UTF8.GetBytes($"{{\"frame\":{i},\"message\":{m},\"text\":\"é 漢\"}}"));
        }
        _batch.Seal(_key);
        return [.. Enumerable.Range(0, frames).Select(i => FrameModel.Written(_batch, i))];
    }

    private FrameGate GateOf(int agent, VerifiedRoots? roots = null) => new(FrameModel.Mesh, "agent-" + agent, 5, (_, _) => _key.PublicKey, roots);

    [Fact]
    public void Batches_of_every_size_open_at_each_receiver()
    {
        VerifiedRoots roots = new(4);
        for (int frames = 1; frames <= FrameBatch.FramesMax; frames += frames < 20 ? 1 : 59)
        {
            byte[][] all = Sealed(frames);
            for (int i = 0; i < frames; i++)
            {
                OpenedFrame opened = GateOf(i, roots).Open(all[i], FrameModel.Now);
                Assert.True(opened.Refusal == FrameRefusal.None, $"{i} of {frames}: {opened.Why}");
                Assert.Equal((Frame with { To = "agent-" + i }).Header(), opened.Header);
                Assert.Equal(
                    Enumerable.Range(0, (i % 3) + 1).Select(m => $"{{\"frame\":{i},\"message\":{m},\"text\":\"é 漢\"}}"),
                    opened.Messages.Select(range => Encoding.UTF8.GetString(all[i][range])));
            }
        }
    }

    /// <summary>The batch of three, written from the page: the last leaf of an odd level goes up as it is.</summary>
    [Fact]
    public void A_batch_is_what_the_page_says()
    {
        byte[][] all = Sealed(3);
        FrameModel[] models =
        [
            .. Enumerable.Range(0, 3).Select(i => Frame with
            {
                To = "agent-" + i,
                SentAt = "2026-01-02T03:04:05.0000000Z",
                ExpiresAt = "2026-01-02T03:04:35.0000000Z",
                Messages = [.. Enumerable.Range(0, i + 1).Select(m => $"{{\"frame\":{i},\"message\":{m},\"text\":\"é 漢\"}}")],
            }),
        ];
        byte[] pair = FrameModel.Climb(models[0].Leaf, [('r', models[1].Leaf)]);
        Assert.Equal(models[0].Text([('r', models[1].Leaf), ('r', models[2].Leaf)]), Encoding.UTF8.GetString(all[0]));
        Assert.Equal(models[1].Text([('l', models[0].Leaf), ('r', models[2].Leaf)]), Encoding.UTF8.GetString(all[1]));
        Assert.Equal(models[2].Text([('l', pair)]), Encoding.UTF8.GetString(all[2]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Any_changed_bit_is_refused(int frames)
    {
        byte[] frame = Sealed(frames)[^1];
        VerifiedRoots roots = new();
        Assert.Equal(FrameRefusal.None, GateOf(frames - 1, roots).Open(frame, FrameModel.Now).Refusal);
        for (int bit = 0; bit < frame.Length * 8; bit++)
        {
            byte[] changed = [.. frame];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            OpenedFrame opened = GateOf(frames - 1, roots).Open(changed, FrameModel.Now);
            Assert.True(opened.Refusal != FrameRefusal.None, $"bit {bit} of {Encoding.UTF8.GetString(frame)}");
        }
    }

    [Fact]
    public void Any_cut_is_refused()
    {
        byte[] frame = Sealed(2)[1];
        for (int length = 0; length < frame.Length; length++) Assert.NotEqual(FrameRefusal.None, GateOf(1).Open(frame.AsSpan(0, length), FrameModel.Now).Refusal);
    }

    [Fact]
    public void A_frame_does_not_climb_by_a_neighbours_path()
    {
        byte[][] all = Sealed(8);
        string[] texts = [.. all.Select(Encoding.UTF8.GetString)];
        for (int i = 0; i < 8; i++)
        {
            for (int other = 0; other < 8; other++)
            {
                if (other == i) continue;
                string swapped = texts[i].Replace(PathOf(texts[i]), PathOf(texts[other]), StringComparison.Ordinal);
                GateOf(i).Refuses(FrameRefusal.BadSignature, swapped, $"{i} by {other}");
            }
        }
    }

    private static string PathOf(string frame) => frame[frame.IndexOf('[', StringComparison.Ordinal)..(frame.IndexOf(']', StringComparison.Ordinal) + 1)];

    [Fact]
    public void A_batch_is_used_again_and_keeps_nothing()
    {
        _ = Sealed(200);
        byte[] one = Sealed(1)[0];
        Assert.DoesNotContain("path", Encoding.UTF8.GetString(one), StringComparison.Ordinal);
        Assert.Equal(FrameRefusal.None, GateOf(0).Open(one, FrameModel.Now).Refusal);
        Assert.Equal(1, _batch.Count);
    }

    [Fact]
    public void What_the_caller_may_not_do_throws()
    {
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        Assert.Throws<InvalidOperationException>(() => _batch.Seal(_key));
        foreach (FrameHeader bad in (FrameHeader[])[Frame.Header() with { From = "" }, Frame.Header() with { To = "a b" }, Frame.Header() with { Epoch = 0 }, Frame.Header() with { Seq = 1L << 53 }, Frame.Header() with { Key = default }])
            Assert.Throws<ArgumentException>(() => _batch.Begin(bad));
        _batch.Begin(Frame.Header());
        Assert.Throws<InvalidOperationException>(() => _batch.Seal(_key));
        foreach (string bad in (string[])["", "{", "[]", "{\"a\":\n1}", "{\"a\":\r1}", "{} "])
            Assert.Throws<ArgumentException>(() => _batch.AddMessage(Encoding.UTF8.GetBytes(bad)));
        _batch.AddMessage("{}"u8);
        Assert.Throws<InvalidOperationException>(() => _batch.Seal(other));
        Assert.Throws<InvalidOperationException>(() => FrameModel.Written(_batch, 0));
        _batch.Seal(_key);
        Assert.Throws<InvalidOperationException>(() => _batch.AddMessage("{}"u8));
        Assert.Throws<InvalidOperationException>(() => _batch.Begin(Frame.Header()));
        Assert.Throws<InvalidOperationException>(() => _batch.Seal(_key));
    }

    [Fact]
    public void Fits_tells_when_a_frame_is_full_and_what_fits_is_taken()
    {
        _batch.Begin(Frame.Header());
        byte[] large = [.. "{\"a\":\""u8, .. Enumerable.Repeat((byte)'x', 300_000), .. "\"}"u8];
        int added = 0;
        while (_batch.Fits(large.Length))
        {
            _batch.AddMessage(large);
            added++;
        }
        Assert.Equal(3, added);
        Assert.Throws<InvalidOperationException>(() => _batch.AddMessage(large));
        for (int i = added; i < FrameBatch.MessagesMax; i++)
        {
            Assert.True(_batch.Fits(2));
            _batch.AddMessage("{}"u8);
        }
        Assert.False(_batch.Fits(2));
        for (int i = 1; i < FrameBatch.FramesMax; i++)
        {
            _batch.Begin(Frame.Header());
            _batch.AddMessage("{}"u8);
        }
        Assert.Throws<InvalidOperationException>(() => _batch.Begin(Frame.Header()));
        _batch.Seal(_key);
        Assert.Equal(FrameRefusal.None, FrameModel.Gate(_key).Open(FrameModel.Written(_batch, 0), FrameModel.Now).Refusal);
    }
}
