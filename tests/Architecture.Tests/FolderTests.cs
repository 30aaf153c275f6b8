using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Mesh30K.Architecture.Tests;

/// <summary>
/// Inside Coordination a folder is a concept, and a concept uses only itself and the concepts before it in <see cref="Order"/>.
/// Roles compose concepts, so the folder of the roles stands last.
/// </summary>
public sealed class FolderTests
{
    private const string Project = "Mesh30K.Coordination";

    /// <summary>From what everybody uses to what uses everybody. A new folder takes its place here.</summary>
    private static readonly string[] Order =
        ["Time", "Topology", "Impedance", "Arrival", "Gathering", "Conflicts", "Breakers", "Degradation", "Failures", "Cascades"];

    [Fact]
    public void Concepts_use_only_what_stands_before_them()
    {
        SourceModel model = SourceModel.Of(Project)!;
        Repository.AssertNone(model.Errors(), $"{Project} does not compile in this test, so the rule cannot see it");
        Repository.AssertNone(Findings(model), $"the order of the folders is {string.Join(", ", Order)}");
    }

    [Fact]
    public void Every_file_of_a_pure_project_is_in_a_folder_and_namespace_of_that_name()
    {
        IEnumerable<string> findings =
            from path in Repository.FilesWith(".cs")
            where path.StartsWith($"src/{Project}/", StringComparison.Ordinal)
            let folder = FolderOf(path)
            where !Order.Contains(folder, StringComparer.Ordinal)
                || !Repository.Read(path).Contains($"namespace {Project}.{folder}", StringComparison.Ordinal)
            select $"{path} is not in one of the folders {string.Join(", ", Order)}, or its namespace is another";
        Repository.AssertNone(findings, "a concept is a folder, and its namespace says so");
    }

    [Fact]
    public void A_planted_violation_is_found()
    {
        SyntaxTree time = Parse("Time", "public class Wheel { Mesh30K.Coordination.Cascades.Lead? lead; }");
        SyntaxTree cascades = Parse("Cascades", "public class Lead { Mesh30K.Coordination.Time.Wheel? wheel; }");
        string finding = Assert.Single(Findings(SourceModel.Of(Project, [time, cascades])));
        Assert.Contains("src/Mesh30K.Coordination/Time/", finding, StringComparison.Ordinal);
    }

    private static SyntaxTree Parse(string folder, string text) => CSharpSyntaxTree.ParseText(
        $"namespace {Project}.{folder}; {text}", new CSharpParseOptions(LanguageVersion.Preview), $"src/{Project}/{folder}/Planted.cs", cancellationToken: CancellationToken.None);

    private static IEnumerable<string> Findings(SourceModel model) =>
        from use in model.Uses()
        let type = use.TypeName
        where type.StartsWith(Project + ".", StringComparison.Ordinal)
        let used = type[(Project.Length + 1)..].Split('.')[0]
        let user = FolderOf(use.Path)
        where Array.IndexOf(Order, used) > Array.IndexOf(Order, user)
        select $"{use.At} in {user} uses {type}";

    private static string FolderOf(string path) => path.Split('/') is { Length: > 3 } parts ? parts[2] : "";
}
