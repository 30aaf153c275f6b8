using System.Globalization;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace Mesh30K.Consistency.Tests.Mutants;

/// <summary>
/// Many planted bugs in one build: each body that a bug changes stands there once for each of its bugs and once as it is, and a number of the thread's own says which one runs. To compile
/// and to warm up a build for each bug takes ten times as long as to find it.
/// </summary>
internal sealed class MutantSet
{
    /// <summary>The source that chooses. 0: no bug.</summary>
    internal const string Chooser = """
        public static class Planted
        {
            [System.ThreadStatic]
            private static int s_first, s_second;

            public static void Choose(int first, int second) => (s_first, s_second) = (first, second);

            public static bool Is(int number) => number == s_first || number == s_second;
        }
        """;

    private readonly Mutant _build;
    private readonly IReadOnlyList<Mutation> _mutations;

    internal MutantSet(Mutant build, IReadOnlyList<Mutation> mutations) => (_build, _mutations) = (build, mutations);

    /// <summary>Calls a public static method under these bugs, two at most, on this thread.</summary>
    public object? Call(IReadOnlyList<Mutation> planted, string type, string method, params object?[] arguments)
    {
        Assert.InRange(planted.Count, 0, 2);
        int[] numbers = [.. planted.Select(NumberOf), 0, 0];
        _build.Call("Planted", "Choose", numbers[0], numbers[1]);
        try
        {
            return _build.Call(type, method, arguments);
        }
        finally
        {
            _build.Call("Planted", "Choose", 0, 0);
        }
    }

    private int NumberOf(Mutation mutation)
    {
        for (int i = 0; i < _mutations.Count; i++)
            if (_mutations[i] == mutation) return i + 1;
        throw new ArgumentException($"not in this build: {mutation.Snippet}", nameof(mutation));
    }

    /// <summary>A file's text with all of its bugs. Fails the test for a snippet that is not there exactly once, or not within one body.</summary>
    /// <param name="mutations">With their numbers, from 1.</param>
    internal static string Combine(SyntaxTree tree, IEnumerable<(int Number, Mutation Mutation)> mutations)
    {
        string text = tree.GetText(CancellationToken.None).ToString();
        Dictionary<TextSpan, (string Original, bool IsProperty, List<(int Number, string Block)> Variants)> bodies = [];
        foreach ((int number, Mutation mutation) in mutations)
        {
            int at = text.IndexOf(mutation.Snippet, StringComparison.Ordinal);
            Assert.True(at >= 0 && text.IndexOf(mutation.Snippet, at + 1, StringComparison.Ordinal) < 0, $"{mutation.Path} does not hold exactly once: {mutation.Snippet}");
            TextSpan snippet = new(at, mutation.Snippet.Length);
            SyntaxNode member = Assert.Single(Members(tree), m => BodyOf(m) is { } body && body.Contains(snippet));
            TextSpan span = BodyOf(member)!.Value;
            SyntaxTree changed = CSharpSyntaxTree.ParseText(text.Remove(at, snippet.Length).Insert(at, mutation.Replacement), (CSharpParseOptions)tree.Options, cancellationToken: CancellationToken.None);
            SyntaxNode now = Assert.Single(Members(changed), m => m.SpanStart == member.SpanStart && m.IsKind(member.Kind()));
            if (!bodies.TryGetValue(span, out var known)) bodies.Add(span, known = (BlockOf(member), member is PropertyDeclarationSyntax, []));
            known.Variants.Add((number, BlockOf(now)));
        }
        StringBuilder combined = new(text);
        foreach ((TextSpan span, (string original, bool isProperty, List<(int Number, string Block)> variants)) in bodies.OrderByDescending(b => b.Key.Start))
        {
            string chosen = string.Concat(variants.Select(v => string.Create(CultureInfo.InvariantCulture, $"if (global::Planted.Is({v.Number}))\n{v.Block}\nelse ")));
            string body = $"{{\n{chosen}\n{original}\n}}";
            combined.Remove(span.Start, span.Length).Insert(span.Start, isProperty ? $"{{ get {body} }}" : body);
        }
        return combined.ToString();
    }

    private static IEnumerable<SyntaxNode> Members(SyntaxTree tree) => tree.GetRoot(CancellationToken.None).DescendantNodes().Where(n => BodyOf(n) is not null);

    /// <summary>From the first to the last letter of a body: a block, or <c>=&gt; …;</c>. Null for what has none.</summary>
    private static TextSpan? BodyOf(SyntaxNode member) => member switch
    {
        BaseMethodDeclarationSyntax { Body: { } block } => block.Span,
        BaseMethodDeclarationSyntax { ExpressionBody: { } arrow } method => TextSpan.FromBounds(arrow.SpanStart, method.SemicolonToken.Span.End),
        AccessorDeclarationSyntax { Body: { } block } => block.Span,
        AccessorDeclarationSyntax { ExpressionBody: { } arrow } accessor => TextSpan.FromBounds(arrow.SpanStart, accessor.SemicolonToken.Span.End),
        PropertyDeclarationSyntax { ExpressionBody: { } arrow } property => TextSpan.FromBounds(arrow.SpanStart, property.SemicolonToken.Span.End),
        _ => null,
    };

    private static string BlockOf(SyntaxNode member)
    {
        (BlockSyntax? block, ArrowExpressionClauseSyntax? arrow) = member switch
        {
            BaseMethodDeclarationSyntax method => (method.Body, method.ExpressionBody),
            AccessorDeclarationSyntax accessor => (accessor.Body, accessor.ExpressionBody),
            _ => (null, ((PropertyDeclarationSyntax)member).ExpressionBody),
        };
        if (block is not null) return block.ToString();
        bool isValue = member is PropertyDeclarationSyntax or AccessorDeclarationSyntax { RawKind: (int)SyntaxKind.GetAccessorDeclaration } or OperatorDeclarationSyntax or ConversionOperatorDeclarationSyntax
            || (member is MethodDeclarationSyntax { ReturnType: var type } && type.ToString() != "void");
        return $"{{ {(isValue && arrow!.Expression is not ThrowExpressionSyntax ? "return " : "")}{arrow!.Expression}; }}";
    }
}
