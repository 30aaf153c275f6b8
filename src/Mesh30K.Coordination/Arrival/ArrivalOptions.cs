namespace Mesh30K.Coordination.Arrival;

/// <summary>How sends are aimed at a target time (M 3.1, 3.2). Immutable.</summary>
public sealed record ArrivalOptions
{
    /// <summary>Width of a send bucket in ms, above 0, default 1. Wider buckets hand over larger batches and release each send earlier by up to this much.</summary>
    public double BucketMs { get; init; } = 1;

    /// <summary>
    /// Time in ms between the choice of T and the first send, at least 0, default 40: what the order needs to go down the hierarchy.
    /// Too small a value turns the slowest agents into skips; a larger one delays every operation by as much.
    /// </summary>
    public double DispatchMarginMs { get; init; } = 40;

    /// <summary>
    /// The share of the reachable agents, in (0, 1], whose lead must fit before a chosen T; default 0.98. A larger share waits for
    /// slower agents, a smaller one skips them.
    /// </summary>
    public double TargetShare { get; init; } = 0.98;

    /// <summary>What is wrong with these options, or null.</summary>
    public string? Validate() =>
        !(BucketMs > 0) ? $"bucket_ms must be above 0, was {BucketMs}"
        : !(DispatchMarginMs >= 0) ? $"dispatch_margin_ms must be at least 0, was {DispatchMarginMs}"
        : TargetShare is > 0 and <= 1 ? null
        : $"target_share must be in (0, 1], was {TargetShare}";
}
