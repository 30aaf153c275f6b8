using System.Globalization;

namespace Mesh30K.Simulation.Laws;

/// <summary>A law that does not hold, with the shortest history found that shows it.</summary>
/// <param name="Type">The type that breaks it.</param>
/// <param name="Law">The law's name.</param>
/// <param name="Seed">The seed of the run; 0 for an enumerated history.</param>
/// <param name="Case">The case's number, from 0; −1 for an enumerated history.</param>
/// <param name="Steps">What was done, after dropping every step that is not needed.</param>
/// <param name="Detail">What was seen and what should have been.</param>
public sealed record LawViolation(string Type, string Law, ulong Seed, long Case, IReadOnlyList<string> Steps, string Detail)
{
    /// <summary>The command that shows it again.</summary>
    public string Replay => Case < 0
        ? $"mesh verify crdt --type {Type} --cases 0 --enumerate"
        : string.Create(CultureInfo.InvariantCulture, $"mesh verify crdt --type {Type} --seed {Seed} --case {Case}");
}

/// <summary>What random cases of one type found.</summary>
/// <param name="Type">The type.</param>
/// <param name="Cases">Cases run.</param>
/// <param name="Steps">Operations, merges and deliveries in them.</param>
/// <param name="Violations">At most <see cref="CrdtLaws.ViolationsMax"/>; the type's run ends there.</param>
public sealed record LawReport(string Type, long Cases, long Steps, IReadOnlyList<LawViolation> Violations);

/// <summary>What the enumeration of one type found.</summary>
/// <param name="Type">The type.</param>
/// <param name="States">Distinct joint states of all replicas.</param>
/// <param name="ReplicaStates">Distinct states of one replica among them.</param>
/// <param name="Transitions">Operations and merges tried.</param>
/// <param name="Violations">At most one: the enumeration ends there, with a shortest history.</param>
public sealed record EnumerationReport(string Type, long States, long ReplicaStates, long Transitions, IReadOnlyList<LawViolation> Violations);

/// <summary>A law was found broken; caught by the suite that runs the case.</summary>
internal sealed class BrokenLawException(string law, string detail) : Exception(detail)
{
    public string Law => law;

    /// <summary>What was thrown and where, in one line.</summary>
    public static string Told(Exception thrown) => $"{thrown.GetType().Name}: {thrown.Message} {thrown.StackTrace?.Split('\n')[0].Trim()}".ReplaceLineEndings(" ");
}

/// <summary>The laws of one type.</summary>
internal interface ILawSuite
{
    string Type { get; }

    /// <summary>Runs one random case; null when every law held.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="number">The case's number.</param>
    /// <param name="steps">Grows by the steps of the case.</param>
    LawViolation? RunCase(ulong seed, long number, ref long steps);

    /// <summary>Every reachable state of <see cref="CrdtLaws.Replicas"/> replicas and so many operations; null for a type that has no replicas.</summary>
    EnumerationReport? Enumerate(int depth);
}
