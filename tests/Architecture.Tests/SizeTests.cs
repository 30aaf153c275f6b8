using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Mesh30K.Architecture.Tests;

/// <summary>
/// A file holds one concept (at most 500 lines), a method fits a screen (at most 60). What is larger stands in tests/Architecture.Tests/ratchet.json
/// with its exact size: an entry that shrank or is no longer needed has to be lowered or removed, so the list can only get shorter.
/// </summary>
public sealed class SizeTests
{
    private const int FileLinesMax = 500;
    private const int MethodLinesMax = 60;

    [Fact]
    public void Files_hold_one_concept()
    {
        Dictionary<string, int> sizes = Repository.FilesWith(".cs").ToDictionary(f => f, f => LinesOf(Repository.Read(f)), StringComparer.Ordinal);
        Repository.AssertNone(Ratchet.Compare(sizes, Ratchet.Listed("files"), FileLinesMax, "lines"), $"a file has at most {FileLinesMax} lines");
    }

    [Fact]
    public void Methods_fit_a_screen()
    {
        Dictionary<string, int> sizes = new(StringComparer.Ordinal);
        foreach ((string name, int lines) in Repository.FilesWith(".cs").SelectMany(f => Methods(Repository.Parse(f))))
            sizes[name] = Math.Max(lines, sizes.GetValueOrDefault(name));
        Repository.AssertNone(Ratchet.Compare(sizes, Ratchet.Listed("methods"), MethodLinesMax, "lines"), $"a method has at most {MethodLinesMax} lines");
    }

    [Fact]
    public void A_planted_violation_is_found()
    {
        string body = string.Concat(Enumerable.Repeat("        F();\n", MethodLinesMax));
        SyntaxTree tree = CSharpSyntaxTree.ParseText($"class C\n{{\n    void F()\n    {{\n{body}    }}\n}}\n", path: "src/C.cs", cancellationToken: CancellationToken.None);
        (string name, int lines) = Assert.Single(Methods(tree));
        Assert.Equal(("src/C.cs::C.F", MethodLinesMax + 3), (name, lines));
    }

    [Fact]
    public void The_ratchet_only_turns_one_way()
    {
        Dictionary<string, int> sizes = new(StringComparer.Ordinal) { ["same"] = 70, ["grown"] = 71, ["shrunk"] = 65, ["small"] = 10, ["new"] = 61 };
        Dictionary<string, int> listed = new(StringComparer.Ordinal) { ["same"] = 70, ["grown"] = 70, ["shrunk"] = 70, ["small"] = 70, ["gone"] = 70 };
        string[] findings = [.. Ratchet.Compare(sizes, listed, 60, "lines").Select(f => f.Split(' ')[0]).Order(StringComparer.Ordinal)];
        Assert.Equal(["gone", "grown", "new", "shrunk", "small"], findings);
    }

    private static int LinesOf(string text) => text.AsSpan().TrimEnd('\n').Count('\n') + 1;

    /// <summary>Methods, constructors, operators and accessors of a file with their lines, from signature to closing brace.</summary>
    private static IEnumerable<(string Name, int Lines)> Methods(SyntaxTree tree)
    {
        foreach (SyntaxNode node in tree.GetRoot(CancellationToken.None).DescendantNodes())
        {
            string? name = node switch
            {
                MethodDeclarationSyntax method => method.Identifier.Text,
                ConstructorDeclarationSyntax => ".ctor",
                OperatorDeclarationSyntax op => "operator" + op.OperatorToken.Text,
                AccessorDeclarationSyntax { Parent.Parent: PropertyDeclarationSyntax property } => property.Identifier.Text,
                _ => null,
            };
            if (name is null) continue;
            SyntaxToken first = node.ChildTokens().Concat(node.ChildNodes().Where(n => n is not AttributeListSyntax).Select(n => n.GetFirstToken())).MinBy(t => t.SpanStart);
            int lines = LineOf(tree, node.Span.End) - LineOf(tree, first.SpanStart) + 1;
            string type = node.FirstAncestorOrSelf<BaseTypeDeclarationSyntax>()?.Identifier.Text ?? "";
            yield return ($"{tree.FilePath}::{type}.{name}", lines);
        }
    }

    private static int LineOf(SyntaxTree tree, int position) => tree.GetText(CancellationToken.None).Lines.GetLinePosition(position).Line;
}
