using System.Text;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Protocol.Tests.Json;

public sealed class PayloadHashTests
{
    /// <summary>The first two are the vectors of FIPS 180-4 for no bytes and for "abc".</summary>
    [Theory]
    [InlineData("", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData("{}", "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")]
    public void Hashes_are_those_of_sha256(string payload, string text)
    {
        PayloadHash hash = PayloadHash.Of(Encoding.UTF8.GetBytes(payload));
        Assert.Equal(text, hash.ToString());
        Assert.True(PayloadHash.TryParse(text, out PayloadHash parsed));
        Assert.Equal(hash, parsed);
        byte[] utf8 = new byte[PayloadHash.TextLength];
        Assert.True(hash.TryFormat(utf8, out int written, default, null));
        Assert.Equal(text, Encoding.ASCII.GetString(utf8, 0, written));
        Assert.True(hash.Matches(Encoding.UTF8.GetBytes(payload)));
        Assert.False(hash.Matches("other"u8));
    }

    [Theory]
    [InlineData("")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g")]
    [InlineData("sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    public void What_is_no_hash_is_refused(string text) => Assert.False(PayloadHash.TryParse(text, out _));
}
