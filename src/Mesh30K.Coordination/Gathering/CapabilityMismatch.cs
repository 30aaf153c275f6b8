using System.Buffers;
using System.Text.Json;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Gathering;

/// <summary>The conflict that a lead records for an agent that it does not send to because it lacks a capability (M 9.1). Pure.</summary>
public static class CapabilityMismatch
{
    /// <summary>Expected are the capabilities that are missing, received those that the agent has; both JSON lists of texts.</summary>
    public static ConflictDetail Of(IReadOnlyList<string> required, IReadOnlyList<string> has) => new()
    {
        Type = ConflictType.CapabilityMismatch,
        ExpectedValue = ListOf(required.Except(has, StringComparer.Ordinal)),
        ReceivedValue = ListOf(has),
    };

    private static RawJson ListOf(IEnumerable<string> names)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter writer = new(bytes))
        {
            writer.WriteStartArray();
            foreach (string name in names) writer.WriteStringValue(name);
            writer.WriteEndArray();
        }
        Invariant.Check(RawJson.TryParse(bytes.WrittenSpan, out RawJson list));
        return list;
    }
}
