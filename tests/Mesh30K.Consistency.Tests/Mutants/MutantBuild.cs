using System.Reflection;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>One planted bug: in a file, one exact snippet replaced by another.</summary>
internal sealed record Mutation(string Path, string Snippet, string Replacement);

/// <summary>
/// Source folders compiled in memory into one assembly, as they are or with a planted bug, and loaded beside the real ones. Parsed once, so that a
/// mutant costs one parsed file and one emit. Thread-safe.
/// </summary>
internal sealed class MutantBuild
{
    private const string ImplicitUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Threading; global using System.Threading.Tasks;
        """;

    private static readonly CSharpParseOptions Parsing = new(LanguageVersion.Preview);

    private readonly Dictionary<string, SyntaxTree> _trees;
    private readonly CSharpCompilation _clean;

    /// <param name="folders">Source folders, relative to the repository.</param>
    /// <param name="replaced">The assemblies that these folders belong to: the compilation does not reference them.</param>
    public MutantBuild(IEnumerable<string> folders, params string[] replaced)
    {
        _trees = folders.SelectMany(SourceTree.CSharpFiles).ToDictionary(f => f, f => Parse(SourceTree.Read(f), f), StringComparer.Ordinal);
        IEnumerable<MetadataReference> references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(p => !replaced.Contains(Path.GetFileNameWithoutExtension(p), StringComparer.Ordinal))
            .Select(p => MetadataReference.CreateFromFile(p));
        CSharpCompilationOptions options = new(
            OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release, nullableContextOptions: NullableContextOptions.Enable, allowUnsafe: true);
        _clean = CSharpCompilation.Create("Mutant", _trees.Values.Append(Parse(ImplicitUsings, "")), references, options);
    }

    /// <summary>Compiles and loads; without a mutation the source as it is. Fails the test when a snippet is not there exactly once, or does not compile.</summary>
    public Mutant Load(Mutation? mutation, params Mutation[] others)
    {
        CSharpCompilation compilation = _clean;
        foreach (Mutation change in mutation is null ? others : [mutation, .. others]) // each in another file
        {
            Assert.True(_trees.TryGetValue(change.Path, out SyntaxTree? tree), $"{change.Path} is not among the folders of this build");
            string text = tree.GetText(CancellationToken.None).ToString();
            int times = text.Split(change.Snippet).Length - 1;
            Assert.True(times == 1, $"{change.Path} holds {times} times: {change.Snippet}");
            compilation = compilation.ReplaceSyntaxTree(tree, Parse(text.Replace(change.Snippet, change.Replacement, StringComparison.Ordinal), change.Path));
        }
        return Emit(compilation);
    }

    /// <summary>Compiles and loads one build with all of these, to be chosen from. Fails the test when a snippet is not there exactly once, is not within one body, or does not compile.</summary>
    public MutantSet LoadAll(IReadOnlyList<Mutation> mutations)
    {
        CSharpCompilation compilation = _clean.AddSyntaxTrees(Parse(MutantSet.Chooser, ""));
        foreach (IGrouping<string, (int Number, Mutation Mutation)> file in mutations.Select((m, i) => (i + 1, m)).GroupBy(m => m.m.Path, StringComparer.Ordinal))
        {
            Assert.True(_trees.TryGetValue(file.Key, out SyntaxTree? tree), $"{file.Key} is not among the folders of this build");
            compilation = compilation.ReplaceSyntaxTree(tree, Parse(MutantSet.Combine(tree, file), file.Key));
        }
        return new MutantSet(Emit(compilation), mutations);
    }

    private static Mutant Emit(CSharpCompilation compilation)
    {
        using MemoryStream image = new();
        Microsoft.CodeAnalysis.Emit.EmitResult result = compilation.Emit(image, cancellationToken: CancellationToken.None);
        Assert.True(result.Success, string.Join('\n', result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).Take(5)));
        image.Position = 0;
        return new Mutant(image);
    }

    private static SyntaxTree Parse(string text, string path) => CSharpSyntaxTree.ParseText(text, Parsing, path, cancellationToken: CancellationToken.None);
}

/// <summary>A loaded build; unloaded when disposed and no more used.</summary>
internal sealed class Mutant : IDisposable
{
    private readonly AssemblyLoadContext _context = new("mutant", isCollectible: true);
    private readonly Assembly _assembly;

    public Mutant(Stream image) => _assembly = _context.LoadFromStream(image);

    /// <summary>Calls a public static method.</summary>
    public object? Call(string type, string method, params object?[] arguments) =>
        _assembly.GetType(type, throwOnError: true)!.GetMethod(method)!.Invoke(null, BindingFlags.DoNotWrapExceptions, null, arguments, null);

    public void Dispose() => _context.Unload();
}
