using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>Computes the test vectors of docs/protocol/links.md again from the page alone: what somebody who writes a client does.</summary>
public sealed partial class DocumentedFramesTests
{
    private const string Mesh = "mesh:0123456789abcdef";
    private static readonly Instant Now = Instant.From(new DateTimeOffset(2026, 1, 2, 3, 4, 10, TimeSpan.Zero));
    private readonly string _page = File.ReadAllText(Document());

    [Fact]
    public void Keys_and_the_proof_of_enrolment_are_right()
    {
        string[] seeds = Row("seed"), keys = Row("public key"), texts = Row("in base64url"), ids = Row("key id");
        for (int i = 0; i < 2; i++)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(Convert.FromHexString(seeds[i]));
            Assert.Equal((keys[i], texts[i], ids[i]), (Convert.ToHexStringLower(key.PublicKey.Span), key.PublicKey.ToString(), key.PublicKey.Id.Value));
        }
        using Ed25519PrivateKey agent = Ed25519PrivateKey.FromSeed(Convert.FromHexString(seeds[0]));
        byte[] proof = new byte[Ed25519PublicKey.SignatureBytes];
        agent.Sign(KeyProof.BytesOf(new AgentId("edge-0017"), Mesh, agent.PublicKey), proof);
        Assert.Equal($"mesh30k-key-v1\nedge-0017\n{Mesh}\n{texts[0]}\n", Encoding.ASCII.GetString(KeyProof.BytesOf(new AgentId("edge-0017"), Mesh, agent.PublicKey)));
        Assert.Contains($"\n`{Base64Url.EncodeToString(proof)}`\n", _page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "edge-0017", Mesh, 4711)]
    [InlineData(1, Mesh, "edge-0018", 4712)]
    public void Every_step_of_a_frame_is_right(int number, string from, string to, long epoch)
    {
        string text = Blocks("signing-string")[number] + "\n", frame = Blocks("frame")[number];
        string table = _page[.._page.IndexOf(frame, StringComparison.Ordinal)];
        table = table[table.LastIndexOf("### ", StringComparison.Ordinal)..];
        string Value(string name) => Regex.Match(table, $@"\| {Regex.Escape(name)} \| `([0-9a-f]+)` \|", RegexOptions.None, TimeSpan.FromSeconds(5)).Groups[1].Value;

        string[] lines = frame.Split('\n');
        Assert.Equal(lines[1..].Select(m => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(m)))), text.TrimEnd('\n').Split('\n')[10..]);
        byte[] root = SHA256.HashData([0, .. Encoding.UTF8.GetBytes(text)]);
        Assert.Equal(Value("leaf"), Convert.ToHexStringLower(root));
        foreach (Match entry in PathEntry().Matches(lines[0]))
        {
            byte[] neighbour = Base64Url.DecodeFromChars(entry.Groups["hash"].Value);
            Assert.Contains(Convert.ToHexStringLower(neighbour), table, StringComparison.Ordinal);
            root = SHA256.HashData(entry.Groups["side"].Value == "l" ? [1, .. neighbour, .. root] : [1, .. root, .. neighbour]);
        }
        Assert.Equal(Value("root"), Convert.ToHexStringLower(root));
        byte[] signed = [.. "mesh30k-root-v1\n"u8, .. root], signature = new byte[Ed25519PublicKey.SignatureBytes];
        Assert.Equal(Value("signed bytes"), Convert.ToHexStringLower(signed));
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(Convert.FromHexString(Row("seed")[number]));
        key.Sign(signed, signature);
        Assert.Equal(Value("signature"), Convert.ToHexStringLower(signature));
        Assert.Contains($"\"sig\":\"{Base64Url.EncodeToString(signature)}\"", lines[0], StringComparison.Ordinal);

        OpenedFrame opened = new FrameGate(from, to, epoch, (id, _) => id == key.PublicKey.Id ? key.PublicKey : null).Open(Encoding.UTF8.GetBytes(frame), Now);
        Assert.Equal((FrameRefusal.None, lines.Length - 1), (opened.Refusal, opened.Messages.Count));
        foreach (string message in lines[1..]) Assert.True(MeshCodec.Default.Decode(Encoding.UTF8.GetBytes(message)).IsMessage);
    }

    [Fact]
    public void Every_refusal_is_on_the_page()
    {
        foreach (FrameRefusal refusal in Enum.GetValues<FrameRefusal>())
            if (refusal != FrameRefusal.None) Assert.Contains($"`{refusal.Word()}`", _page, StringComparison.Ordinal);
    }

    [GeneratedRegex("\"(?<side>[lr])(?<hash>[A-Za-z0-9_-]{43})\"", RegexOptions.None, 5000)]
    private static partial Regex PathEntry();

    private string[] Row(string name) =>
        [.. _page.Split('\n').Single(l => l.StartsWith($"| {name} | `", StringComparison.Ordinal)).Split('`').Where((_, i) => i % 2 == 1)];

    private string[] Blocks(string kind)
    {
        string[] parts = _page.Split($"```text {kind}\n");
        return [.. parts[1..].Select(p => p[..p.IndexOf("\n```", StringComparison.Ordinal)])];
    }

    private static string Document([CallerFilePath] string here = "")
    {
        string? folder = Path.GetDirectoryName(here);
        while (folder is not null && !File.Exists(Path.Combine(folder, "Mesh30K.slnx"))) folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder!, "docs", "protocol", "links.md");
    }
}
