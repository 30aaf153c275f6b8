using System.Runtime.CompilerServices;
using System.Text;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Tests.Json;

/// <summary>Holds the examples of docs/protocol/messages.md to what the codec does.</summary>
public sealed class DocumentedExamplesTests
{
    private const string Fence = "```";

    [Fact]
    public void Every_example_is_read_and_written_back_byte_for_byte()
    {
        HashSet<MessageType> seen = [];
        foreach (string example in Examples())
        {
            DecodeResult result = MeshCodec.Default.Decode(Encoding.UTF8.GetBytes(example));
            Assert.True(result.IsMessage, $"{result.Error} in {example}");
            Assert.Equal(example, Encoding.UTF8.GetString(MeshCodec.Default.Encode(result.Message)));
            Assert.Null(result.Message.UnknownFields);
            if (result.Message is MeshMessage mesh) Assert.True(mesh.PayloadIsIntact());
            seen.Add(result.Message.Type);
        }
        Assert.Equal(Enum.GetValues<MessageType>(), seen.Order());
    }

    [Fact]
    public void Every_error_code_is_documented()
    {
        string text = File.ReadAllText(Document());
        foreach (string code in Enum.GetNames<DecodeErrorCode>()) Assert.Contains($"| `{code}` |", text, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Examples()
    {
        string[] lines = File.ReadAllLines(Document());
        for (int i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith(Fence + "json", StringComparison.Ordinal)) continue;
            StringBuilder example = new();
            for (i++; lines[i] != Fence; i++) example.Append(lines[i]).Append('\n');
            yield return example.ToString().TrimEnd();
        }
    }

    private static string Document([CallerFilePath] string here = "")
    {
        string? folder = Path.GetDirectoryName(here);
        while (folder is not null && !File.Exists(Path.Combine(folder, "Mesh30K.slnx"))) folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder!, "docs", "protocol", "messages.md");
    }
}
