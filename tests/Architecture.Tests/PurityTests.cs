using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Mesh30K.Architecture.Tests;

/// <summary>
/// The core computes, the host acts (docs/adr/0001-sans-io-core.md): what the pure projects may not touch. The simulator may read recorded
/// traces in the folders that do so, and may use threads, but has no clock and no randomness of its own either.
/// </summary>
public sealed class PurityTests
{
    /// <summary>Namespaces of which the core uses nothing, with those below them.</summary>
    private static readonly string[] CoreNamespaces =
    [
        "System.Threading", "System.IO", "System.Net", "System.Timers", "System.Collections.Concurrent", "Microsoft.Extensions",
    ];

    /// <summary>How an owner publishes an immutable snapshot to readers on other threads: no lock, no wait, and no order of events.</summary>
    private const string PublicationType = "System.Threading.Volatile";

    /// <summary>Types of which the core uses nothing.</summary>
    private static readonly string[] CoreTypes =
    [
        "System.Random", "System.HashCode", "System.Console", "System.Environment", "System.TimeProvider", "System.Diagnostics.Stopwatch",
        "System.Diagnostics.Process", "System.AppContext", "System.Lazy`1", "System.Security.Cryptography.RandomNumberGenerator",
    ];

    /// <summary>Members that read a clock, or make something up, or depend on the process.</summary>
    private static readonly (string Type, string Member)[] AmbientMembers =
    [
        ("System.DateTime", "Now"), ("System.DateTime", "UtcNow"), ("System.DateTime", "Today"), ("System.DateTimeOffset", "Now"),
        ("System.DateTimeOffset", "UtcNow"), ("System.Guid", "NewGuid"), ("System.Guid", "CreateVersion7"), ("System.Random", "Shared"),
        ("System.Environment", "TickCount"), ("System.Environment", "TickCount64"), ("System.Environment", "ProcessorCount"),
        ("System.TimeProvider", "System"), ("System.Threading.Tasks.Task", "Delay"), ("System.Threading.Thread", "Sleep"),
    ];

    /// <summary>Types that the simulator may not use anywhere.</summary>
    private static readonly string[] SimulationTypes =
        ["System.Console", "System.Diagnostics.Stopwatch", "System.Threading.Timer", "System.Threading.PeriodicTimer", "System.HashCode"];

    private static readonly string[] FileTypes =
        ["System.IO.File", "System.IO.Directory", "System.IO.FileInfo", "System.IO.DirectoryInfo", "System.IO.FileStream", "System.IO.StreamReader", "System.IO.StreamWriter", "System.IO.RandomAccess"];

    /// <summary>Where the simulator reads recorded traces.</summary>
    private static readonly string[] TraceReaders = ["src/Mesh30K.Simulation/Fleet/", "src/Mesh30K.Simulation/Prediction/"];

    [Theory]
    [InlineData("Mesh30K.Coordination")]
    [InlineData("Mesh30K.Consistency")]
    public void The_core_touches_nothing_ambient(string project) => Check(project, FindingsInCore);

    [Fact]
    public void The_simulator_has_no_clock_and_no_randomness_of_its_own() => Check("Mesh30K.Simulation", FindingsInSimulation);

    /// <summary>The rules against planted violations: one that finds nothing would hold nothing.</summary>
    [Theory]
    [InlineData("long F() => DateTime.UtcNow.Ticks;")]
    [InlineData("long F() => DateTimeOffset.Now.Ticks;")]
    [InlineData("long F() => System.Diagnostics.Stopwatch.GetTimestamp();")]
    [InlineData("void F() => Task.Delay(1);")]
    [InlineData("void F() => Thread.Sleep(1);")]
    [InlineData("int F() => Random.Shared.Next();")]
    [InlineData("Random F() => new();")]
    [InlineData("Random F() => new Random(5);", false)]
    [InlineData("Guid F() => Guid.NewGuid();")]
    [InlineData("long F() => Environment.TickCount64;")]
    [InlineData("long F() => TimeProvider.System.GetTimestamp();")]
    [InlineData("void F() => Console.WriteLine();")]
    [InlineData("string F() => File.ReadAllText(\"x\");")]
    [InlineData("int F(string s) => s.GetHashCode();")]
    [InlineData("int F(string s) => HashCode.Combine(s);")]
    [InlineData("int F(string s) => StringComparer.Ordinal.GetHashCode(s);")]
    [InlineData("void F() { lock (this) { } }", false)]
    [InlineData("async void F() { await System.Threading.Tasks.Task.CompletedTask; }", false)]
    [InlineData("void F() => System.Threading.Interlocked.Increment(ref n); int n;", false)]
    [InlineData("object F() => new System.Net.Sockets.TcpListener(1);", false)]
    public void A_planted_violation_is_found(string member, bool alsoInSimulation = true)
    {
        SourceModel model = Planted("Mesh30K.Planted", "src/Mesh30K.Planted/Time/Planted.cs", $"namespace Mesh30K.Planted.Time; class C {{ {member} }}");
        Assert.NotEmpty(FindingsInCore(model));
        Assert.Equal(alsoInSimulation, FindingsInSimulation(model).Any());
    }

    [Fact]
    public void Code_that_takes_time_as_an_argument_is_pure()
    {
        const string text = "class C { long F(DateTimeOffset now) => now.Ticks; override public int GetHashCode() => 1; int G(Dictionary<string, int> d) => d.Count; }";
        Assert.Empty(FindingsInCore(Planted("Mesh30K.Planted", "src/Mesh30K.Planted/A.cs", text)));
    }

    [Fact]
    public void Trace_readers_may_read_files() =>
        Assert.Empty(FindingsInSimulation(Planted("Mesh30K.Simulation", TraceReaders[0] + "Trace.cs", "class C { string F(string p) => File.ReadAllText(p); }")));

    private static SourceModel Planted(string project, string path, string text) => SourceModel.Of(
        project, [CSharpSyntaxTree.ParseText(text, new CSharpParseOptions(LanguageVersion.Preview), path, cancellationToken: CancellationToken.None)]);

    private static void Check(string project, Func<SourceModel, IEnumerable<string>> rule)
    {
        if (SourceModel.Of(project) is not { } model)
        {
            Assert.Skip($"there is no {project} yet");
            return;
        }
        Repository.AssertNone(model.Errors(), $"{project} does not compile in this test, so the rule cannot see it");
        string folder = $"src/{project}/";
        Dictionary<string, int> listed = Ratchet.Listed("impurities").Where(l => l.Key.StartsWith(folder, StringComparison.Ordinal)).ToDictionary(StringComparer.Ordinal);
        List<string> findings = [.. rule(model)];
        Dictionary<string, int> counts = findings.CountBy(WithoutLine).ToDictionary(StringComparer.Ordinal);
        List<string> wrong = [.. Ratchet.Compare(counts, listed, 0, "findings")];
        if (wrong.Count > 0) wrong.AddRange(findings.Where(f => !listed.ContainsKey(WithoutLine(f))));
        Repository.AssertNone(wrong, $"{project} is to take time, randomness and ids as arguments, and to do no I/O");
    }

    /// <summary>The file and the symbol: what a reason for an exception is about, wherever in the file it moves.</summary>
    private static string WithoutLine(string finding) => System.Text.RegularExpressions.Regex.Replace(finding, @":\d+ ", ":: ", default, TimeSpan.FromSeconds(1));

    private static IEnumerable<string> FindingsInCore(SourceModel model)
    {
        foreach (SymbolUse use in model.Uses())
        {
            string type = use.TypeName;
            if (type == PublicationType) continue;
            bool banned = CoreTypes.Contains(type, StringComparer.Ordinal)
                || CoreNamespaces.Any(n => type.StartsWith(n + ".", StringComparison.Ordinal))
                || IsAmbient(use, type)
                || IsHashCall(use);
            if (banned) yield return $"{use.At} uses {use.Symbol.ToDisplayString()}";
        }
        foreach (SyntaxNode node in model.Trees().SelectMany(t => t.GetRoot(CancellationToken.None).DescendantNodesAndSelf()))
        {
            bool banned = node.IsKind(SyntaxKind.LockStatement) || node.IsKind(SyntaxKind.AwaitExpression)
                || node.ChildTokens().Any(t => t.IsKind(SyntaxKind.AsyncKeyword) || t.IsKind(SyntaxKind.VolatileKeyword));
            if (banned) yield return $"{node.SyntaxTree.FilePath}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1} uses async, await, lock or volatile";
        }
    }

    private static IEnumerable<string> FindingsInSimulation(SourceModel model)
    {
        foreach (SymbolUse use in model.Uses())
        {
            string type = use.TypeName;
            bool readsFiles = FileTypes.Contains(type, StringComparer.Ordinal) && !TraceReaders.Any(f => use.Path.StartsWith(f, StringComparison.Ordinal));
            bool unseeded = type == "System.Random" && use.Symbol is IMethodSymbol { MethodKind: MethodKind.Constructor, Parameters.Length: 0 };
            if (SimulationTypes.Contains(type, StringComparer.Ordinal) || IsAmbient(use, type) || IsHashCall(use) || readsFiles || unseeded)
                yield return $"{use.At} uses {use.Symbol.ToDisplayString()}";
        }
    }

    private static bool IsAmbient(SymbolUse use, string type) => AmbientMembers.Contains((type, use.MemberName));

    /// <summary>A call of GetHashCode: of a string it differs from run to run. Declaring one is no call.</summary>
    private static bool IsHashCall(SymbolUse use) => use.MemberName == "GetHashCode";
}
