using System.Runtime.InteropServices;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Hosting;

/// <summary>A batch for an event loop: one of five kinds, told by <see cref="Items"/>.</summary>
/// <param name="Items">Signal[], AgentAck[], AgentHeartbeat[], a <see cref="Submission"/> or a <see cref="MemberBatch"/>.</param>
/// <param name="Count">How many of the array's items are meant.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct LoopInput(object Items, int Count);

/// <summary>An operation on its way to the orchestrator, and the promise of its result.</summary>
internal sealed record Submission(OperationSpec Spec, TaskCompletionSource<OperationTicket> Admitted);

/// <summary>Agents of one loop's sectors that come and go, and the promise that it is done: then the orchestrator has been told too.</summary>
internal sealed class MemberBatch(MemberChange[] changes)
{
    public MemberChange[] Changes { get; } = changes;

    /// <summary>What the loop made of each: null where an agent left, else its newest snapshot.</summary>
    public AgentImpedance?[] Snapshots { get; } = new AgentImpedance?[changes.Length];

    public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>The answer to a submission.</summary>
/// <param name="Id">The operation's id; default when it was refused.</param>
/// <param name="Error">What was wrong; null when it was accepted.</param>
/// <param name="Completion">The result, once there is one; faulted never, cancelled when the mesh stops first.</param>
public sealed record OperationTicket(long Number, MessageId Id, string? Error, Task<OperationResult> Completion);

/// <summary>What a loop's timing wheel holds: a role's timer, or the loop's own round of sweeps.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct LoopTimer(TimerRequest Role, bool IsSweep);

/// <summary>A send for the release thread.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct PlannedSend(Delivery Delivery) : IDue
{
    public Instant Due => Delivery.At;
}
