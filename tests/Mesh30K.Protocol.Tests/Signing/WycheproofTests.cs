using System.Text.Json;
using Mesh30K.Protocol.Signing;
using Mesh30K.Simulation.Tests;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>Project Wycheproof's vectors for Ed25519: shared/data/wycheproof.</summary>
public sealed class WycheproofTests
{
    [Theory]
    [InlineData(Ed25519Libraries.OpenSsl)]
    [InlineData(Ed25519Libraries.Sodium)]
    public void Every_vector_is_judged_right(string name)
    {
        IEd25519 library = Ed25519Libraries.Require(name);
        using JsonDocument file = JsonDocument.Parse(File.ReadAllBytes(RecordedData.Require("wycheproof", "ed25519_test.json")));
        List<string> wrong = [];
        int judged = 0;
        foreach (JsonElement group in file.RootElement.GetProperty("testGroups").EnumerateArray())
        {
            byte[] bytes = Hex(group.GetProperty("publicKey"), "pk");
            bool isKey = Ed25519PublicKey.TryCreate(bytes, out Ed25519PublicKey? key) is null;
            foreach (JsonElement test in group.GetProperty("tests").EnumerateArray())
            {
                bool valid = isKey && key!.Verify(library, Hex(test, "msg"), Hex(test, "sig"));
                string expected = test.GetProperty("result").GetString()!;
                judged++;
                if (!string.Equals(expected, valid ? "valid" : "invalid", StringComparison.Ordinal)) wrong.Add($"{test.GetProperty("tcId")}: {expected}");
            }
        }
        Assert.Empty(wrong);
        Assert.Equal(file.RootElement.GetProperty("numberOfTests").GetInt32(), judged);
    }

    private static byte[] Hex(JsonElement element, string name) => Convert.FromHexString(element.GetProperty(name).GetString()!);
}
