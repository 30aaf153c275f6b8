using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Mesh30K.Architecture.Tests;

/// <summary>
/// A source project compiled in memory, so that a rule sees symbols and not spellings, and points to a line. Compiled from source and
/// not read from IL because IL has lost the line, the constants and the folder.
/// </summary>
internal sealed class SourceModel
{
    private const string ImplicitUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    private static readonly Lazy<Dictionary<string, MetadataReference>> Platform = new(() =>
        ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).DistinctBy(Path.GetFileNameWithoutExtension)
            .ToDictionary(p => Path.GetFileNameWithoutExtension(p), MetadataReference (p) => MetadataReference.CreateFromFile(p), StringComparer.Ordinal));

    private readonly CSharpCompilation _compilation;

    private SourceModel(CSharpCompilation compilation) => _compilation = compilation;

    /// <summary>The project <paramref name="name"/>, or null when the repository has none of that name yet.</summary>
    public static SourceModel? Of(string name)
    {
        string folder = $"src/{name}/";
        List<SyntaxTree> trees = [.. Repository.FilesWith(".cs").Where(f => f.StartsWith(folder, StringComparison.Ordinal)).Select(Repository.Parse)];
        return trees.Count == 0 ? null : Of(name, trees);
    }

    public static SourceModel Of(string name, IEnumerable<SyntaxTree> trees)
    {
        CSharpParseOptions parse = new(LanguageVersion.Preview);
        IEnumerable<MetadataReference> references = Platform.Value.Where(r => r.Key != name).Select(r => r.Value);
        CSharpCompilationOptions options = new(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable);
        SyntaxTree usings = CSharpSyntaxTree.ParseText(ImplicitUsings, parse);
        return new SourceModel(CSharpCompilation.Create(name, trees.Append(usings), references, options));
    }

    /// <summary>What does not compile here; a rule that cannot see a symbol would pass it over.</summary>
    public IEnumerable<string> Errors() =>
        _compilation.GetDiagnostics(CancellationToken.None).Where(d => d.Severity == DiagnosticSeverity.Error).Select(d => d.ToString());

    /// <summary>Every use of a symbol in the project.</summary>
    public IEnumerable<SymbolUse> Uses()
    {
        foreach (SyntaxTree tree in _compilation.SyntaxTrees.Where(t => t.FilePath.Length > 0))
        {
            SemanticModel model = _compilation.GetSemanticModel(tree);
            foreach (SyntaxNode node in tree.GetRoot(CancellationToken.None).DescendantNodes())
            {
                if (node is not (Microsoft.CodeAnalysis.CSharp.Syntax.SimpleNameSyntax
                    or Microsoft.CodeAnalysis.CSharp.Syntax.BaseObjectCreationExpressionSyntax
                    or Microsoft.CodeAnalysis.CSharp.Syntax.InitializerExpressionSyntax)) continue;
                if (model.GetSymbolInfo(node, CancellationToken.None).Symbol is { } symbol) yield return new SymbolUse(node, symbol);
            }
        }
    }

    /// <summary>The parsed files of the project.</summary>
    public IEnumerable<SyntaxTree> Trees() => _compilation.SyntaxTrees.Where(t => t.FilePath.Length > 0);
}

/// <summary>One use of a symbol.</summary>
internal sealed record SymbolUse(SyntaxNode Node, ISymbol Symbol)
{
    public string Path => Node.SyntaxTree.FilePath;

    public string At => $"{Path}:{Node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}";

    /// <summary>The namespace and name of the type that is used, or whose member is used; empty for a namespace or a local.</summary>
    public string TypeName
    {
        get
        {
            INamedTypeSymbol? type = Symbol as INamedTypeSymbol ?? Symbol.ContainingType;
            if (type is null || Symbol is ILocalSymbol or IParameterSymbol or ITypeParameterSymbol) return "";
            INamedTypeSymbol outer = type;
            while (outer.ContainingType is not null) outer = outer.ContainingType;
            return $"{outer.ContainingNamespace.ToDisplayString()}.{outer.MetadataName}";
        }
    }

    public string MemberName => Symbol is INamedTypeSymbol ? "" : Symbol.Name;
}
