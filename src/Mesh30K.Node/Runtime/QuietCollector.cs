namespace Mesh30K.Node.Runtime;

/// <summary>
/// Collects garbage while nothing is going on, so that the collector seldom stops the world in the middle of an operation, when thousands of sends
/// are due within milliseconds. An operation over 30,000 agents allocates some 10 MB, well below the budget after which the runtime
/// collects by itself; collecting after it costs the same pause at a moment when nobody waits.
/// Owner: the loop that knows whether operations are in progress.
/// </summary>
internal sealed class QuietCollector
{
    /// <summary>Bytes allocated since the last quiet collection that make the next one worth its pause.</summary>
    public const long WorthBytes = 8_000_000;

    private long _allocatedBefore = GC.GetTotalAllocatedBytes();

    /// <summary>To be called when the mesh is quiet; collects the young generations when enough was allocated. Returns whether it did.</summary>
    public bool Collect()
    {
        long allocated = GC.GetTotalAllocatedBytes();
        if (allocated - _allocatedBefore < WorthBytes) return false;
        _allocatedBefore = allocated;
        GC.Collect(1, GCCollectionMode.Forced, blocking: true);
        return true;
    }
}
