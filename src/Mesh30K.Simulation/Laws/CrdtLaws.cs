namespace Mesh30K.Simulation.Laws;

/// <summary>
/// The laws of the replicated types and of their clocks, checked on random reachable states and by enumeration. Deterministic from the seed;
/// each call is independent, so several types may run at once on several threads.
/// </summary>
public static class CrdtLaws
{
    /// <summary>Replicas of a case.</summary>
    public const int Replicas = 3;

    /// <summary>Violations after which the run of a type ends.</summary>
    public const int ViolationsMax = 10;

    /// <summary>Operations of the enumeration.</summary>
    public const int EnumerationDepth = 5;

    private const int CasesPerProgress = 10_000;

    private static readonly ILawSuite[] Suites =
    [
        new CrdtSuite<Consistency.Eventual.GSet>(new GSetSubject()),
        new CrdtSuite<Consistency.Eventual.OrSet>(new OrSetSubject()),
        new CrdtSuite<Consistency.Eventual.LwwRegister>(new LwwRegisterSubject()),
        new CrdtSuite<Consistency.Eventual.LwwMap>(new LwwMapSubject()),
        new CrdtSuite<Consistency.Eventual.FactBase>(new FactBaseSubject()),
        new CrdtSuite<Consistency.Eventual.CrdtMap<Consistency.Eventual.OrSet>>(new MapSubject()),
        new CrdtSuite<Consistency.Eventual.CrdtMap<Consistency.Eventual.CrdtMap<Consistency.Eventual.LwwRegister>>>(new NestedMapSubject()),
        new HlcSuite(),
        new VectorClockSuite(),
    ];

    /// <summary>The words for types, in a fixed order.</summary>
    public static IReadOnlyList<string> Types { get; } = [.. Suites.Select(s => s.Type)];

    /// <summary>Runs random cases of one type.</summary>
    /// <param name="type">One of <see cref="Types"/>.</param>
    /// <param name="first">The first case's number, from 0.</param>
    /// <param name="cases">How many cases.</param>
    /// <param name="seed">The same seed gives the same cases.</param>
    /// <param name="progress">Told after every 10,000 cases how many are done; may throw to end the run.</param>
    public static LawReport Check(string type, long first, long cases, ulong seed, Action<long>? progress = null)
    {
        ILawSuite suite = SuiteOf(type);
        List<LawViolation> violations = [];
        long steps = 0;
        long done = 0;
        while (done < cases && violations.Count < ViolationsMax)
        {
            if (suite.RunCase(seed, first + done, ref steps) is { } violation) violations.Add(violation);
            if (++done % CasesPerProgress == 0) progress?.Invoke(done);
        }
        return new LawReport(type, done, steps, violations);
    }

    /// <summary>Enumerates the reachable states of one type; null for a clock, which is not merged between replicas.</summary>
    public static EnumerationReport? Enumerate(string type, int depth = EnumerationDepth) => SuiteOf(type).Enumerate(depth);

    private static ILawSuite SuiteOf(string type) =>
        Array.Find(Suites, s => s.Type == type) ?? throw new ArgumentException($"no type {type}; there are {string.Join(", ", Types)}", nameof(type));
}
