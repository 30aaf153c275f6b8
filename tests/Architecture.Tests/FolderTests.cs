using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Mesh30K.Architecture.Tests;

/// <summary>
/// Inside a pure project a folder is a concept, and a concept uses only itself and the concepts before it in <see cref="Orders"/>.
/// Roles compose concepts, so the folder of the roles stands last.
/// </summary>
public sealed class FolderTests
{
    private const string Coordination = "Mesh30K.Coordination";
    private const string Consistency = "Mesh30K.Consistency";

    /// <summary>From what everybody uses to what uses everybody. A new folder takes its place here.</summary>
    private static readonly Dictionary<string, string[]> Orders = new(StringComparer.Ordinal)
    {
        [Coordination] = ["Time", "Topology", "Impedance", "Arrival", "Gathering", "Conflicts", "Breakers", "Degradation", "Failures", "Cascades", "Delegation"],
        [Consistency] = ["Layers", "Time", "Journal", "Eventual", "Documents", "Causal", "Strong"],
    };

    [Theory]
    [InlineData(Coordination)]
    [InlineData(Consistency)]
    public void Concepts_use_only_what_stands_before_them(string project)
    {
        SourceModel model = SourceModel.Of(project)!;
        Repository.AssertNone(model.Errors(), $"{project} does not compile in this test, so the rule cannot see it");
        Repository.AssertNone(Findings(project, model), $"the order of the folders is {string.Join(", ", Orders[project])}");
    }

    [Theory]
    [InlineData(Coordination)]
    [InlineData(Consistency)]
    public void Every_file_of_a_pure_project_is_in_a_folder_and_namespace_of_that_name(string project)
    {
        string[] order = Orders[project];
        IEnumerable<string> findings =
            from path in Repository.FilesWith(".cs")
            where path.StartsWith($"src/{project}/", StringComparison.Ordinal)
            let folder = FolderOf(path)
            where !order.Contains(folder, StringComparer.Ordinal)
                || !Repository.Read(path).Contains($"namespace {project}.{folder}", StringComparison.Ordinal)
            select $"{path} is not in one of the folders {string.Join(", ", order)}, or its namespace is another";
        Repository.AssertNone(findings, "a concept is a folder, and its namespace says so");
    }

    [Fact]
    public void A_planted_violation_is_found()
    {
        SyntaxTree time = Parse("Time", "public class Wheel { Mesh30K.Coordination.Cascades.Lead? lead; }");
        SyntaxTree cascades = Parse("Cascades", "public class Lead { Mesh30K.Coordination.Time.Wheel? wheel; }");
        string finding = Assert.Single(Findings(Coordination, SourceModel.Of(Coordination, [time, cascades])));
        Assert.Contains("src/Mesh30K.Coordination/Time/", finding, StringComparison.Ordinal);
    }

    private static SyntaxTree Parse(string folder, string text) => CSharpSyntaxTree.ParseText(
        $"namespace {Coordination}.{folder}; {text}", new CSharpParseOptions(LanguageVersion.Preview), $"src/{Coordination}/{folder}/Planted.cs", cancellationToken: CancellationToken.None);

    private static IEnumerable<string> Findings(string project, SourceModel model) =>
        from use in model.Uses()
        let type = use.TypeName
        where type.StartsWith(project + ".", StringComparison.Ordinal)
        let used = type[(project.Length + 1)..].Split('.')[0]
        let user = FolderOf(use.Path)
        where Array.IndexOf(Orders[project], used) > Array.IndexOf(Orders[project], user)
        select $"{use.At} in {user} uses {type}";

    private static string FolderOf(string path) => path.Split('/') is { Length: > 3 } parts ? parts[2] : "";
}
