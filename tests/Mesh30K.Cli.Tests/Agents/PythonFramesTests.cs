using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Cli.Tests.Agents;

/// <summary>Frames posted at examples/agents/python, which reads the wire with a verifier of its own.</summary>
public sealed class PythonFramesTests
{
    private const string Mesh = "mesh:0123456789abcdef";
    private const string Work = """{"type":"COORDINATE","message_id":"m1","payload":"three small words"}""";
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Instant Now => Instant.From(DateTimeOffset.UtcNow);

    [Fact]
    public async Task A_good_frame_is_answered_once_and_a_forged_a_replayed_and_an_old_one_are_refused()
    {
        await using RunningNode node = await RunningNode.StartEmptyAsync();
        string folder = ExampleAgent.CopyTo(node, "python");
        using (ExampleAgent tools = ExampleAgent.Start(node, folder, "python3 --version"))
            if (await tools.EndedAsync() is { Exit: not 0 } none) Assert.Skip($"needs Python 3.9: {none.Output}");
        using Ed25519PrivateKey mesh = Ed25519PrivateKey.Generate(), stranger = Ed25519PrivateKey.Generate();
        Enrolled(folder, mesh.PublicKey);
        int port = ExampleAgentsTests.FreePort();
        using ExampleAgent agent = ExampleAgent.Start(node, folder, $"exec python3 agent.py --identity id --listen 127.0.0.1:{port}");
        await agent.WroteAsync("count-1 listens on");
        using HttpClient client = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}/"), Timeout = TimeSpan.FromSeconds(30) };

        byte[] good = Frame(mesh, 1, Now, Work);
        (HttpStatusCode status, string[] lines) = await PostAsync(client, good);
        Assert.Equal((HttpStatusCode.OK, 2), (status, lines.Length));
        JsonElement ack = JsonSerializer.Deserialize<JsonElement>(lines[1]);
        Assert.Equal(("ACK", "m1", 1), (ack.GetProperty("type").GetString(), ack.GetProperty("message_id").GetString(), ack.GetProperty("trinary_state").GetInt32()));
        Assert.Equal("""{"lines": 1, "words": 3, "characters": 17}""", ack.GetProperty("result").GetString());

        Assert.Equal("replayed", await RefusedAsync(client, good));
        // The same delivery in a new frame: the answer that it gave, to the microsecond.
        Assert.Equal(lines[1], (await PostAsync(client, Frame(mesh, 2, Now, Work))).Lines[1]);

        Assert.Equal("unknown_key", await RefusedAsync(client, Frame(stranger, 3, Now, Work)));
        Assert.Equal("expired", await RefusedAsync(client, Frame(mesh, 3, Now - TimeSpan.FromMinutes(2), Work)));
        Assert.Equal("expired", await RefusedAsync(client, Frame(mesh, 3, Now + TimeSpan.FromMinutes(3), Work)));
        Assert.Equal("wrong_address", await RefusedAsync(client, Frame(mesh, 3, Now, Work, to: "count-2")));
        Assert.Equal("malformed", await RefusedAsync(client, "{}\n{}"u8.ToArray()));
        byte[] forged = Frame(mesh, 3, Now, Work);
        forged[forged.AsSpan().IndexOf("small"u8)] ^= 1;
        Assert.Equal("bad_signature", await RefusedAsync(client, forged));

        // None of those took the number from the frame that is truly the third.
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(client, Frame(mesh, 3, Now, Work))).Status);
    }

    /// <summary>The identity folder as it is after an enrolment.</summary>
    private static void Enrolled(string folder, Ed25519PublicKey mesh)
    {
        string id = Directory.CreateDirectory(Path.Combine(folder, "id")).FullName;
        File.WriteAllText(Path.Combine(id, "agent.json"), JsonSerializer.Serialize(new { agent_id = "count-1", mesh_id = Mesh, mesh_keys = new[] { mesh.ToString() } }));
        string seed = Path.Combine(id, "key.seed");
        File.WriteAllText(seed, Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(seed, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static byte[] Frame(Ed25519PrivateKey key, long seq, Instant sent, string message, string to = "count-1")
    {
        FrameBatch batch = new();
        int frame = batch.Begin(new FrameHeader { From = Mesh, To = to, Epoch = 1, Seq = seq, SentAt = sent, ExpiresAt = sent + Life, Key = key.PublicKey.Id });
        batch.AddMessage(Encoding.UTF8.GetBytes(message));
        batch.Seal(key);
        ArrayBufferWriter<byte> bytes = new();
        batch.Write(frame, bytes);
        return bytes.WrittenSpan.ToArray();
    }

    private static async Task<(HttpStatusCode Status, string[] Lines)> PostAsync(HttpClient client, byte[] frame)
    {
        using ByteArrayContent content = new(frame);
        using HttpResponseMessage response = await client.PostAsync((Uri?)null, content, Cancel);
        return (response.StatusCode, (await response.Content.ReadAsStringAsync(Cancel)).Split('\n'));
    }

    private static async Task<string?> RefusedAsync(HttpClient client, byte[] frame)
    {
        (HttpStatusCode status, string[] lines) = await PostAsync(client, frame);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        return JsonSerializer.Deserialize<JsonElement>(lines[0]).GetProperty("code").GetString();
    }
}
