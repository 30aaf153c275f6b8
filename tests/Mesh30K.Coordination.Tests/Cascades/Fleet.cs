using System.Globalization;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance;
using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Coordination.Tests.Cascades;

/// <summary>Leads that a test knows exactly: agent i needs <c>leads[i]</c> ms, half of it in the median.</summary>
internal sealed class KnownLeads(Func<int, float> leadOf) : IArrivalOracle
{
    public float QuantileMs(int agentIndex, Instant sendAt, float payloadWeight, float level) => level <= 0.5f ? leadOf(agentIndex) / 2 : leadOf(agentIndex);
}

/// <summary>What the tests of the roles are made of. Time starts at <see cref="Start"/>, a multiple of every bucket used.</summary>
internal static class Fleet
{
    public static readonly Instant Start = Instant.FromUnixMs(1_000_000);

    public static Instant At(double ms) => Start.PlusMs(ms);

    public static string Ms(Instant at) => at.MsSince(Start).ToString("0.###", CultureInfo.InvariantCulture);

    public static AgentRecord Agent(int index, ImpedanceClass c = ImpedanceClass.Edge, params string[] capabilities) =>
        new(new AgentId($"a{index}"), index, c, capabilities, new ClassPool(c, new EstimatorOptions()));

    public static AgentRecord?[] Agents(int count) => [.. Enumerable.Range(0, count).Select(i => Agent(i))];

    public static PlannerSet Planners(params float[] leads) => new(new KnownLeads(i => i < leads.Length ? leads[i] : 10));

    public static OperationSpec Spec(double windowMs = 100) => new() { Planner = PlannerKind.Oracle, WindowMs = windowMs };

    public static OperationOrder Order(long handle, double targetMs, OperationSpec? spec = null, double ttlMs = 60_000) => new()
    {
        Handle = handle,
        OperationId = default,
        Spec = spec ?? Spec(),
        Selector = (spec ?? Spec()).Selector,
        Payload = "null",
        Target = At(targetMs),
        GatherUntil = At(targetMs + (spec ?? Spec()).WindowMs),
        ExpiresAt = At(ttlMs),
    };

    public static ClusterLead Lead(AgentRecord?[] agents, PlannerSet planners, params RateBudgetPlanner[] budgets) =>
        new(ClusterAddress.Of(new MeshShape(1, 2, 30), 0), agents, planners, new ArrivalOptions(), budgets);

    public static AgentAck Ack(long handle, int slot, double atMs, TrinaryState state = TrinaryState.Ready, float processingMs = 2, AckDetail? detail = null) => new()
    {
        ClusterIndex = 0,
        Slot = slot,
        Operation = handle,
        ReceivedAt = At(atMs),
        State = state,
        ProcessingMs = processingMs,
        Detail = detail,
    };
}
