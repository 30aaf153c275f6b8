namespace Mesh30K.Agent.Timing;

/// <summary>
/// Tells when a mesh that should answer each heartbeat is silent: after three in a row with nothing heard. It counts heartbeats and no time: a machine that gave this process no processor for a while has also read nothing
/// meanwhile, and what came waits in the socket; by the clock the agent would leave a mesh that answered. Pure; not thread-safe.
/// </summary>
internal sealed class SilenceWatch
{
    internal const int UnansweredMax = 3;

    private int _unanswered;

    /// <summary>Whether the mesh counts as silent once the pause after this heartbeat is over.</summary>
    /// <param name="sentTicks">When the heartbeat left.</param>
    /// <param name="heardTicks">When anything was heard last, on the same clock.</param>
    internal bool IsSilentAfter(long sentTicks, long heardTicks)
    {
        _unanswered = heardTicks >= sentTicks ? 0 : _unanswered + 1;
        return _unanswered >= UnansweredMax;
    }
}
