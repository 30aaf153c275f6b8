using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>A rule of Raft that did not hold.</summary>
/// <param name="Seed">Of the run.</param>
/// <param name="Rule">Which: election safety, log matching, …</param>
/// <param name="Detail">What was seen, and at what moment of virtual time.</param>
public sealed record RaftViolation(long Seed, string Rule, string Detail)
{
    /// <summary>The command that shows it again.</summary>
    public string Replay => ReplayOf(Seed, null);

    /// <summary>The command that shows a run again.</summary>
    /// <param name="only">Numbers of the faults that are to strike; null for all.</param>
    public static string ReplayOf(long seed, IReadOnlyList<int>? only) => string.Create(CultureInfo.InvariantCulture, $"mesh verify raft --seeds 1 --start {seed}")
        + (only is null ? "" : " --only " + (only.Count == 0 ? "0" : string.Join(',', only)));
}

/// <summary>What one seed did.</summary>
/// <param name="Recipe">Which trouble it concentrated on.</param>
/// <param name="Violation">The first rule that did not hold; the run ends there. Null when all held.</param>
/// <param name="LivenessFailure">What did not happen after everything was healed; null when it did.</param>
/// <param name="Faults">How often each kind of fault hit.</param>
/// <param name="Struck">The faults of the seed's plan that struck, in the order of time.</param>
/// <param name="Events">Events of virtual time.</param>
/// <param name="Committed">Entries committed.</param>
/// <param name="Acknowledged">Writes acknowledged to clients.</param>
/// <param name="Reads">Reads answered.</param>
/// <param name="Operations">Operations in the clients' history.</param>
/// <param name="IsUndecided">Whether the check of the history came to its bound before it knew.</param>
/// <param name="TraceHash">Of all events and what the servers made of them: the same for the same seed and build.</param>
public sealed record RaftRunReport(
    long Seed,
    string Recipe,
    RaftViolation? Violation,
    string? LivenessFailure,
    IReadOnlyDictionary<string, long> Faults,
    IReadOnlyList<StruckFault> Struck,
    long Events,
    long Committed,
    long Acknowledged,
    long Reads,
    int Operations,
    bool IsUndecided,
    ulong TraceHash)
{
    /// <summary>What it failed by; null when it did not.</summary>
    public string? FailedRule => Violation?.Rule ?? (LivenessFailure is null ? null : LivenessRule);

    /// <summary>What a liveness failure is called.</summary>
    public const string LivenessRule = "works again when healed";
}

/// <summary>A rule was found broken; caught by the run.</summary>
internal sealed class BrokenRuleException(string rule, string detail) : Exception(detail)
{
    public string Rule => rule;
}

/// <summary>How a rule is checked.</summary>
internal static class RuleBook
{
    /// <summary>Throws <see cref="BrokenRuleException"/> unless the rule holds; the detail is only then put together.</summary>
    public static void Require(bool holds, string rule, [InterpolatedStringHandlerArgument(nameof(holds))] BrokenDetail detail)
    {
        if (!holds) throw new BrokenRuleException(rule, detail.ToString());
    }
}

/// <summary>What was seen when a rule did not hold.</summary>
[InterpolatedStringHandler]
internal readonly ref struct BrokenDetail
{
    private readonly StringBuilder? _text;

    public BrokenDetail(int literalLength, int formattedCount, bool holds, out bool isWanted)
    {
        isWanted = !holds;
        _text = isWanted ? new StringBuilder(literalLength + formattedCount * 8) : null;
    }

    public void AppendLiteral(string text) => _text!.Append(text);

    public void AppendFormatted<T>(T value) => _text!.Append(CultureInfo.InvariantCulture, $"{value}");

    public override string ToString() => _text?.ToString() ?? "";
}
