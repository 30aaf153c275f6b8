using System.Globalization;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>A rule of Raft that did not hold.</summary>
/// <param name="Seed">Of the run.</param>
/// <param name="Rule">Which: election safety, log matching, …</param>
/// <param name="Detail">What was seen, and at what moment of virtual time.</param>
public sealed record RaftViolation(long Seed, string Rule, string Detail)
{
    /// <summary>The command that shows it again.</summary>
    public string Replay => string.Create(CultureInfo.InvariantCulture, $"mesh verify raft --seeds 1 --start {Seed}");
}

/// <summary>What one seed did.</summary>
/// <param name="Violation">The first rule that did not hold; the run ends there. Null when all held.</param>
/// <param name="LivenessFailure">What did not happen after everything was healed; null when it did.</param>
/// <param name="Faults">How often each kind of fault hit.</param>
/// <param name="Events">Events of virtual time.</param>
/// <param name="Committed">Entries committed.</param>
/// <param name="Acknowledged">Writes acknowledged to clients.</param>
/// <param name="Reads">Reads answered.</param>
/// <param name="TraceHash">Of all events and what the servers made of them: the same for the same seed and build.</param>
public sealed record RaftRunReport(
    long Seed, RaftViolation? Violation, string? LivenessFailure, IReadOnlyDictionary<string, long> Faults, long Events, long Committed, long Acknowledged, long Reads, ulong TraceHash);

/// <summary>A rule was found broken; caught by the run.</summary>
internal sealed class BrokenRuleException(string rule, string detail) : Exception(detail)
{
    public string Rule => rule;
}
