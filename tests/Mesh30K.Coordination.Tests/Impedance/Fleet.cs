using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Tests.Impedance;

/// <summary>Snapshots for tests.</summary>
internal static class Fleet
{
    internal static readonly Instant Start = Instant.FromUnixMs(1_700_000_000_000);

    private static readonly string[][] CapabilitySets = [["route"], ["route", "cache"], ["llm"], [], ["cache", "llm", "route"]];

    internal static AgentImpedance Agent(string id, double score = 100, params string[] capabilities) => new()
    {
        AgentId = new AgentId(id),
        AgentClass = ImpedanceClass.Edge,
        SectorId = new SectorId(7),
        ClusterId = new ClusterId(7, 4),
        CurrentLatencyMs = score,
        CurrentProcessingMs = 0,
        CurrentQueueDepth = 0,
        LastHeartbeat = Start,
        ImpedanceScore = score,
        ReliabilityScore = 1,
        DriftCoefficient = 0.1,
        OperationalState = OperationalState.Active,
        CurrentContextHash = string.Empty,
        Capabilities = capabilities,
    };

    /// <summary>An arbitrary agent; scores repeat, so that ties occur.</summary>
    internal static AgentImpedance Arbitrary(Random r, string id) => Agent(id, r.Next(4) == 0 ? r.Next(10) * 100 : r.NextDouble() * 1000) with
    {
        OperationalState = r.Next(3) == 0 ? (OperationalState)r.Next(4) : OperationalState.Active,
        DriftCoefficient = r.NextDouble(),
        Capabilities = CapabilitySets[r.Next(CapabilitySets.Length)],
    };

    internal static AgentImpedance[] Many(int seed, int count)
    {
        Random r = new(seed);
        return [.. Enumerable.Range(0, count).Select(i => Arbitrary(r, $"a{i}"))];
    }
}
