using System.Text.Json;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Protocol.Tests;

/// <summary>Arbitrary valid values, each from one seed.</summary>
internal static partial class Samples
{
    private const string IdCharacters = "ABCXYZabcxyz0189._:-";

    private static readonly string[] Payloads =
        ["null", "true", "0", "-1.5e300", "\"\"", "\"tab\\tquote\\\" \\u00e9 é 漢 \\ud83d\\ude00\"", "[]", "{}", "[1, 2 ,3]", "{\"a\":{\"b\":[{}]}, \"a\":1}"];

    internal static WireMessage Message(MessageType type, int seed)
    {
        Random r = new(seed);
        return type switch
        {
            MessageType.Message => Mesh(r),
            MessageType.Heartbeat => Heartbeat(r),
            MessageType.Coordinate => Coordinate(r),
            MessageType.Ack => Ack(r),
            MessageType.Circuit => Circuit(r),
            MessageType.Freeze => Freeze(r),
            MessageType.ClusterSummary => ClusterSummary(r),
            MessageType.SectorSummary => SectorSummary(r),
            MessageType.GlobalStats => Stats(r),
            _ => Link(type, r),
        };
    }

    internal static Instant At(Random r) => new(r.NextInt64(0, 4_000_000_000L * TimeSpan.TicksPerSecond));

    internal static AgentId Agent(Random r) =>
        new(string.Create(r.Next(1, r.Next(8) == 0 ? AgentId.LengthMax + 1 : 20), r, static (span, x) =>
        {
            for (int i = 0; i < span.Length; i++) span[i] = IdCharacters[x.Next(IdCharacters.Length)];
        }));

    internal static MessageId Id(Random r) => new((ulong)r.NextInt64(), (ulong)r.NextInt64());

    internal static RawJson Raw(Random r) => RawJson.Parse(Payloads[r.Next(Payloads.Length)]);

    private static double Amount(Random r) => r.Next(4) switch { 0 => 0, 1 => r.Next(1000), 2 => r.NextDouble() * 1e-9, _ => r.NextDouble() * 1e6 };

    private static T One<T>(Random r, IReadOnlyList<T> of) => of[r.Next(of.Count)];

    private static T[] Some<T>(Random r, Func<Random, T> make) => [.. Enumerable.Range(0, r.Next(5)).Select(_ => make(r))];

    private static string Words(Random r) => One(r, ["", "plain", "é漢😀", "a \"quoted\" <tag> \\ / \n\t\u0001", new string('x', 256)]);

    private static T? Maybe<T>(Random r, Func<Random, T> make)
        where T : struct => r.Next(2) == 0 ? null : make(r);

    private static ClusterId Cluster(Random r) => new(r.Next(SectorId.IndexMax + 1), r.Next(11));

    private static MeshMessage Mesh(Random r)
    {
        RawJson payload = Raw(r);
        return new MeshMessage
        {
            MessageId = Id(r),
            CorrelationId = Id(r),
            CausationId = Maybe(r, Id),
            SourceAgentId = One(r, [Agent(r).Value, "orchestrator", Cluster(r).ToString(), Cluster(r).Sector.ToString()]),
            TargetAgentIds = Some(r, Agent),
            RoutingStrategy = One(r, WireNames.RoutingStrategies.Values),
            CreatedAt = At(r),
            TargetArrivalTime = At(r),
            TtlMs = r.NextInt64(0, long.MaxValue),
            Priority = (Priority)r.Next(4),
            PayloadWeight = Amount(r),
            RequiresCapabilities = Some(r, x => "capability-" + x.Next(9)),
            CompensationApplied = Map(r, x => new Compensation(Amount(x), Amount(x), x.NextDouble())),
            Verb = One(r, WireNames.Verbs.Values),
            Payload = payload,
            PayloadHash = PayloadHash.Of(payload.Utf8),
            TrinaryExpectation = (TrinaryState)r.Next(-1, 2),
        };
    }

    private static Dictionary<AgentId, T> Map<T>(Random r, Func<Random, T> make)
    {
        Dictionary<AgentId, T> map = [];
        foreach (AgentId id in Some(r, Agent)) map[id] = make(r);
        return map;
    }

    internal static AgentImpedance Impedance(Random r, AgentId id)
    {
        ClusterId cluster = Cluster(r);
        return new AgentImpedance
        {
            AgentId = id,
            AgentClass = One(r, ImpedanceClasses.All),
            SectorId = cluster.Sector,
            ClusterId = cluster,
            CurrentLatencyMs = Amount(r),
            CurrentProcessingMs = Amount(r),
            CurrentQueueDepth = r.Next(),
            LastHeartbeat = At(r),
            ImpedanceScore = r.NextDouble() * 1000,
            ReliabilityScore = r.NextDouble(),
            DriftCoefficient = Amount(r),
            OperationalState = One(r, WireNames.OperationalStates.Values),
            CurrentContextHash = Words(r),
            Capabilities = Some(r, x => "c" + x.Next()),
        };
    }

    private static HeartbeatMessage Heartbeat(Random r)
    {
        AgentId id = Agent(r);
        return new HeartbeatMessage { AgentId = id, Timestamp = At(r), Impedance = r.Next(3) == 0 ? null : Impedance(r, id), QueueDepth = Maybe(r, x => x.Next()), ContextHash = r.Next(2) == 0 ? null : Words(r), Clock = r.Next(2) == 0 };
    }

    private static CoordinationMessage Coordinate(Random r) => new()
    {
        MessageId = Id(r),
        TargetArrivalTime = At(r),
        Compensation = Map(r, Amount),
        Verb = One(r, WireNames.Verbs.Values),
        Payload = Raw(r),
        PayloadHash = Maybe(r, x => PayloadHash.Of(BitConverter.GetBytes(x.Next()))),
        TtlMs = Maybe(r, x => x.NextInt64()),
        Collect = r.Next(2) == 0,
    };

    private static AcknowledgeMessage Ack(Random r) => new()
    {
        MessageId = Id(r),
        AgentId = Agent(r),
        TrinaryState = (TrinaryState)r.Next(-1, 2),
        ActualArrivalTime = At(r),
        ProcessingTimeMs = Amount(r),
        QueueWaitMs = Maybe(r, Amount),
        Result = r.Next(2) == 0 ? null : Words(r),
        ConflictDetail = r.Next(2) == 0 ? null : Conflict(r),
    };

    private static ConflictDetail Conflict(Random r) => new()
    {
        Type = One(r, WireNames.ConflictTypes.Values),
        ExpectedValue = MaybeRaw(r),
        ReceivedValue = MaybeRaw(r),
        ContextHash = r.Next(2) == 0 ? null : Words(r),
        ConflictingData = MaybeRaw(r),
        DivergenceDepth = Maybe(r, x => x.Next()),
        AffectsAgentCount = Maybe(r, x => x.Next()),
    };

    /// <summary>In an optional field a JSON null and no field are the same.</summary>
    private static RawJson? MaybeRaw(Random r) => Raw(r) is var raw && raw.Utf8.SequenceEqual("null"u8) ? null : raw;

    private static CircuitBreakerMessage Circuit(Random r)
    {
        MeshScope scope = One(r, WireNames.MeshScopes.Values);
        return new CircuitBreakerMessage { Action = One(r, WireNames.CircuitActions.Values), Scope = scope, TargetId = Target(r, scope), Reason = Words(r) };
    }

    private static FreezeMessage Freeze(Random r)
    {
        MeshScope scope = One(r, WireNames.MeshScopes.Values);
        string? target = scope == MeshScope.Global && r.Next(2) == 0 ? null : Target(r, scope);
        return new FreezeMessage { Scope = scope, TargetId = target, PreserveStateTo = Words(r) };
    }

    private static string Target(Random r, MeshScope scope) => scope switch
    {
        MeshScope.Cluster => Cluster(r).ToString(),
        MeshScope.Sector => Cluster(r).Sector.ToString(),
        _ => "global",
    };

    private static ClusterImpedanceSummary ClusterSummary(Random r)
    {
        ClusterId cluster = Cluster(r);
        int agents = r.Next(100);
        return new ClusterImpedanceSummary
        {
            ClusterId = cluster,
            SectorId = cluster.Sector,
            AgentCount = agents,
            ActiveCount = r.Next(agents + 1),
            MeanImpedance = r.NextDouble() * 1000,
            P95Impedance = r.NextDouble() * 1000,
            SlowestAgent = Maybe(r, Agent),
            FastestAgent = Maybe(r, Agent),
            DegradedAgents = Some(r, Agent),
            UnstableAgents = Some(r, Agent),
            LastUpdated = At(r),
        };
    }

    private static SectorImpedanceSummary SectorSummary(Random r) => new()
    {
        SectorId = Cluster(r).Sector,
        ClusterCount = r.Next(),
        TotalAgents = 300,
        ActiveAgents = r.Next(301),
        MeanImpedance = r.NextDouble() * 1000,
        HealthiestCluster = Maybe(r, Cluster),
        SickestCluster = Maybe(r, Cluster),
    };

    private static GlobalImpedanceStats Stats(Random r) => new()
    {
        Timestamp = At(r),
        TotalAgents = int.MaxValue,
        ActiveAgents = r.Next(),
        ActiveRate = r.NextDouble(),
        GlobalMeanImpedance = r.NextDouble() * 1000,
        GlobalP95Impedance = r.NextDouble() * 1000,
        SectorsHealthy = r.Next(),
        SectorsDegraded = r.Next(),
    };
}

/// <summary>The whole content of a value as text, so that two can be compared without trusting the codec.</summary>
internal static class Content
{
    internal static string Of(object? value) => value switch
    {
        null => "null",
        string s => "'" + s + "'",
        RawJson or AgentId or MessageId or SectorId or ClusterId or PayloadHash or Instant or JsonElement => value.ToString()!,
        double d => BitConverter.DoubleToInt64Bits(d).ToString("x"),
        Enum or int or long or bool => value.ToString()!,
        System.Collections.IDictionary map => "{" + string.Join(';', map.Keys.Cast<object>().Select(k => Of(k) + "=" + Of(map[k])).Order(StringComparer.Ordinal)) + "}",
        System.Collections.IEnumerable list => "[" + string.Join(',', list.Cast<object>().Select(Of)) + "]",
        _ => value.GetType().Name + "(" + string.Join(
            ',', value.GetType().GetProperties().OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => p.Name + "=" + Of(p.GetValue(value)))) + ")",
    };
}
