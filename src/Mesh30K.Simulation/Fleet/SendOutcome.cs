using System.Runtime.InteropServices;

using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// What became of one send. The simulator knows it at once; a host under test must look at each part only when its moment has come:
/// the ack and everything in it at <see cref="AckAt"/>, never before.
/// </summary>
/// <param name="Lost">
/// No ack will come. Either the request was lost (<see cref="ReadyAt"/> is <see cref="Instant.MaxValue"/>, the agent never worked),
/// or the ack was (<see cref="ReadyAt"/> is real), or the agent's queue was full (like a lost request).
/// </param>
/// <param name="ReadyAt">When the agent is ready, on the mesh's clock.</param>
/// <param name="AckAt">When the ack is back at the mesh; <see cref="Instant.MaxValue"/> when lost.</param>
/// <param name="NetworkMs">The whole round trip of this send in ms, both halves; 0 when the request was lost.</param>
/// <param name="ServiceMs">Processing in ms without waiting, at this send's payload weight; 0 when the request was lost.</param>
/// <param name="QueueWaitMs">Waiting in ms between the arrival at the agent and the start of the processing.</param>
/// <param name="State">Ready or Conflict as the ack will say; Transit when lost, as nobody will ever know.</param>
/// <param name="QueueDepth">How many earlier sends the agent had accepted and not finished when this one left the mesh.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SendOutcome(
    bool Lost, Instant ReadyAt, Instant AckAt, float NetworkMs, float ServiceMs, float QueueWaitMs, TrinaryState State, int QueueDepth)
{
    /// <summary>The request never reached the agent's queue.</summary>
    internal static SendOutcome NeverArrived(int queueDepth) =>
        new(Lost: true, Instant.MaxValue, Instant.MaxValue, 0, 0, 0, TrinaryState.Transit, queueDepth);
}
