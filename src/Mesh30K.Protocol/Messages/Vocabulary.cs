namespace Mesh30K.Protocol.Messages;

/// <summary>What an operation asks of an agent (M 2.4). On the wire in lower case.</summary>
public enum Verb : byte { Observe, Orient, Decide, Act, Record, Sync }

/// <summary>How a message is routed (M 2.4). On the wire: <c>direct</c>, <c>broadcast</c>, <c>scatter-gather</c>, <c>pipeline</c>.</summary>
public enum RoutingStrategy : byte
{
    /// <summary>To the named agents, at the arrival target.</summary>
    Direct,

    /// <summary>To every selected agent at once; acks are counted, nobody waits for a quorum.</summary>
    Broadcast,

    /// <summary>To the selected agents so that they arrive together; a quorum decides.</summary>
    ScatterGather,

    /// <summary>Stage after stage; a stage starts when the one before has its quorum.</summary>
    Pipeline,
}

/// <summary>How an operation over the whole mesh goes down the hierarchy (M 3.3). On the wire: <c>wave</c>, <c>parallel</c>, <c>priority-first</c>.</summary>
public enum CascadeStrategy : byte
{
    /// <summary>Each level confirms before the next is told.</summary>
    Wave,

    /// <summary>Every level at once.</summary>
    Parallel,

    /// <summary>Class after class: D, C, B, A, E, each with its own threshold; a failed phase is noted and the next goes on.</summary>
    PriorityFirst,
}

/// <summary>The state of one agent relative to one operation (M 1.4). On the wire: 1, 0, -1.</summary>
public enum TrinaryState : sbyte
{
    /// <summary>Arrived but cannot integrate: information, not failure.</summary>
    Conflict = -1,

    /// <summary>In flight or processing; outcome unknown.</summary>
    Transit = 0,

    /// <summary>Arrived, integrated, ready to proceed.</summary>
    Ready = 1,
}

/// <summary>The operational state of an agent (M 2.3). On the wire in lower case.</summary>
public enum OperationalState : byte
{
    /// <summary>Takes work.</summary>
    Active,

    /// <summary>Takes work, but slower than its class or itself allows; routed to last.</summary>
    Degraded,

    /// <summary>Heartbeats missed; takes no work.</summary>
    Offline,

    /// <summary>Isolated; takes no work until released.</summary>
    Quarantined,
}

/// <summary>The types of conflict that an agent can report (M 5.1). On the wire: <c>CONTEXT_DIVERGENCE</c> and so on.</summary>
public enum ConflictType : byte { ContextDivergence, DataContradiction, TemporalParadox, CapabilityMismatch, HashMismatch, Other }

/// <summary>How urgent an operation is (M 2.4). On the wire: 0 to 3.</summary>
public enum Priority : byte
{
    /// <summary>Goes when nothing else wants to.</summary>
    Background = 0,

    Normal = 1,

    High = 2,

    /// <summary>Goes before everything else.</summary>
    Critical = 3,
}
