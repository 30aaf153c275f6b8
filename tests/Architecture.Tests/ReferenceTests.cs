using System.Xml.Linq;

namespace Mesh30K.Architecture.Tests;

/// <summary>Who may reference whom: docs/adr/0002-who-may-reference-whom.md. The project files are the only source of these arrows.</summary>
public sealed class ReferenceTests
{
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Protocol"] = [],
        ["Coordination"] = ["Protocol"],
        ["Consistency"] = ["Protocol"],
        ["Agent"] = ["Protocol"],
        ["Node"] = ["Coordination", "Consistency", "Protocol"],
        ["RabbitMq"] = ["Node"],
        ["Postgres"] = ["Node"],
        ["Dashboard"] = ["Node"],
        ["Simulation"] = ["Coordination", "Consistency", "Protocol"],
        ["Cli"] = ["Protocol", "Coordination", "Consistency", "Agent", "Node", "RabbitMq", "Postgres", "Dashboard", "Simulation"],
    };

    /// <summary>The pure projects are written with what .NET brings, and nothing else.</summary>
    private static readonly string[] WithoutPackages = ["Protocol", "Coordination", "Consistency"];

    [Fact]
    public void Projects_reference_only_what_they_may()
    {
        IEnumerable<string> findings =
            from path in SourceProjects()
            let name = NameOf(path)
            from reference in References(path, "ProjectReference").Select(NameOf)
            where !Allowed.GetValueOrDefault(name, []).Contains(reference, StringComparer.Ordinal)
            select $"{path} references {reference}";
        Repository.AssertNone(findings, "a reference that the design does not allow");
    }

    [Fact]
    public void Every_project_has_a_place_in_the_design() =>
        Repository.AssertNone(SourceProjects().Where(p => !Allowed.ContainsKey(NameOf(p))), "a project that the design does not name");

    [Fact]
    public void Pure_projects_use_no_package()
    {
        IEnumerable<string> findings =
            from path in SourceProjects()
            where WithoutPackages.Contains(NameOf(path), StringComparer.Ordinal)
            from reference in References(path, "PackageReference").Concat(References(path, "FrameworkReference"))
            select $"{path} uses {reference}";
        Repository.AssertNone(findings, "a package in a project that is to have none");
    }

    [Fact]
    public void Every_source_project_has_a_test_project_and_both_are_in_the_solution()
    {
        string solution = Repository.Read("Mesh30K.slnx");
        IEnumerable<string> findings =
            from path in SourceProjects()
            let project = Path.GetFileNameWithoutExtension(path)
            from needed in (string[])[path, $"tests/{project}.Tests/{project}.Tests.csproj"]
            where !Repository.Exists(needed) || !solution.Contains($"\"{needed}\"", StringComparison.Ordinal)
            select $"{needed} is missing, or is not in Mesh30K.slnx";
        Repository.AssertNone(findings, "each project in src has a mirrored test project");
    }

    [Fact]
    public void Package_versions_are_central() =>
        Repository.AssertNone(
            Repository.FilesWith(".csproj").Where(p => Project(p).Descendants("PackageReference").Any(r => r.Attribute("Version") is not null)),
            "versions are in Directory.Packages.props only");

    private static IEnumerable<string> SourceProjects() => Repository.FilesWith(".csproj").Where(f => f.StartsWith("src/", StringComparison.Ordinal));

    private static string NameOf(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path.Replace('\\', '/'));
        return name.StartsWith("Mesh30K.", StringComparison.Ordinal) ? name["Mesh30K.".Length..] : name;
    }

    private static IEnumerable<string> References(string path, string kind) =>
        Project(path).Descendants(kind).Select(r => (string?)r.Attribute("Include") ?? "");

    private static XDocument Project(string path) => XDocument.Parse(Repository.Read(path));
}
