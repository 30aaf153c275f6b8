using System.CommandLine;
using System.Text.RegularExpressions;
using Mesh30K.Cli;

namespace Mesh30K.Architecture.Tests;

/// <summary>Prose rots where nothing checks it: paths and verbs that a document names have to exist, and nothing names the machine it was written on.</summary>
public sealed partial class DocumentTests
{
    private static readonly string[] TextExtensions =
        [".cs", ".md", ".json", ".yaml", ".yml", ".csproj", ".props", ".slnx", ".sh", ".py", ".js", ".ts", ".mjs", ".razor", ".css", ".html", ".txt", ".csv", ".editorconfig", ".gitignore"];

    private static readonly (string What, Regex Pattern)[] Leaks =
    [
        ("an absolute path", AbsolutePath()), ("a private key", PrivateKey()), ("an access token", AccessToken()), ("a package registry's host", RegistryHost()),
    ];

    [Fact]
    public void Paths_in_documents_exist() =>
        Repository.AssertNone(Repository.FilesWith(".md").SelectMany(f => MissingPaths(f, Repository.Read(f))), "a document names a path that does not exist");

    [Fact]
    public void Verbs_in_documents_exist() =>
        Repository.AssertNone(Repository.FilesWith(".md").SelectMany(f => UnknownVerbs(f, Repository.Read(f))), "a document names a verb that mesh does not have");

    [Fact]
    public void No_file_names_this_machine_or_holds_a_secret() =>
        Repository.AssertNone(Repository.Files.Where(IsText).SelectMany(f => LeaksIn(f, Repository.Read(f))), "a file holds what belongs to one machine");

    [Theory]
    [InlineData("see `src/Nowhere/Gone.cs`", "src/Nowhere/Gone.cs")]
    [InlineData("run `bash .ci/walk`", ".ci/walk")]
    [InlineData("a [page](docs/gone.md)", "docs/gone.md")]
    [InlineData("```sh\n./mesh doctor --fleet examples/none.yaml\n```", "examples/none.yaml")]
    public void A_planted_path_is_found(string text, string path) => Assert.Contains(path, Assert.Single(MissingPaths("README.md", text)), StringComparison.Ordinal);

    [Theory]
    [InlineData("`src/Mesh30K.Cli/Program.cs` and [the tests](tests/Architecture.Tests/ratchet.json#top) and [out](https://example.org/x)")]
    [InlineData("`src/<project>/…` and `docs/*.md`")]
    public void Right_paths_and_placeholders_pass(string text) => Assert.Empty(MissingPaths("README.md", text));

    [Theory]
    [InlineData("`./mesh docter`", "docter")]
    [InlineData("```sh\n$ mesh docter --json\n```", "docter")]
    [InlineData("```sh\neval \"$(mesh compleshun bash)\"\n```", "compleshun")]
    public void A_planted_verb_is_found(string text, string verb) => Assert.Contains(verb, Assert.Single(UnknownVerbs("README.md", text)), StringComparison.Ordinal);

    [Fact]
    public void Right_verbs_pass() => Assert.Empty(UnknownVerbs("README.md", "`mesh doctor`, `./mesh completion bash`, `mesh --version`, `mesh <verb>`; a mesh of agents"));

    [Theory]
    [InlineData("see /", "home/someone/x")]
    [InlineData("cd /", "work/x")]
    [InlineData("C", ":\\Users")]
    [InlineData("-----BEGIN ", "PRIVATE KEY-----")]
    [InlineData("AKIA", "ABCDEFGHIJKLMNOP")]
    [InlineData("https://api.", "nuget.org/v3/index.json")]
    public void A_planted_leak_is_found(string start, string end) => Assert.Single(LeaksIn("x.md", start + end));

    private static IEnumerable<string> MissingPaths(string file, string text)
    {
        IEnumerable<string> words = CodeOf(text).SelectMany(c => c.Split((char[])[' ', '\n', '\t', '"', '\'', '(', ')', ',', ';', '='], StringSplitOptions.RemoveEmptyEntries));
        IEnumerable<string> inCode = words.Where(w => RepositoryPath().IsMatch(w)).Where(w => w.IndexOfAny(['<', '*', '{', '$', '…', '|']) < 0 && !w.Contains("...", StringComparison.Ordinal));
        foreach (string path in inCode.Select(w => LineNumber().Replace(w.TrimEnd('.', ':'), "")).Distinct(StringComparer.Ordinal))
            if (!Repository.Exists(path)) yield return $"{file} names {path}";
        string folder = Path.GetDirectoryName(file) ?? "";
        foreach (string target in Link().Matches(text).Select(m => m.Groups["it"].Value.Split('#')[0]))
        {
            bool outside = target.Length == 0 || target.Contains("://", StringComparison.Ordinal) || target.StartsWith("mailto:", StringComparison.Ordinal);
            if (!outside && !Repository.Exists(Path.Combine(folder, target))) yield return $"{file} links to {target}";
        }
    }

    private static IEnumerable<string> UnknownVerbs(string file, string text)
    {
        RootCommand root = MeshCommandLine.Create(CliContext.ForProcess()).Root;
        foreach (Match match in CodeOf(text).SelectMany(c => MeshCall().Matches(c)))
        {
            Command? verb = root.Subcommands.FirstOrDefault(c => c.Name == match.Groups["verb"].Value);
            string next = match.Groups["next"].Value;
            if (verb is null) yield return $"{file}: mesh {match.Groups["verb"].Value}";
            else if (next.Length > 0 && verb.Subcommands.Count > 0 && verb.Subcommands.All(c => c.Name != next)) yield return $"{file}: mesh {verb.Name} {next}";
        }
    }

    private static IEnumerable<string> LeaksIn(string file, string text)
    {
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            foreach ((string what, Regex pattern) in Leaks)
                if (pattern.IsMatch(lines[i])) yield return $"{file}:{i + 1} holds {what}";
        }
    }

    /// <summary>Inline code spans, and fenced blocks of shell commands.</summary>
    private static IEnumerable<string> CodeOf(string text) =>
        ShellBlock().Matches(text).Select(m => m.Groups["it"].Value)
            .Concat(CodeSpan().Matches(AnyBlock().Replace(text, "")).Select(m => m.Groups["it"].Value));

    private static bool IsText(string file) =>
        TextExtensions.Any(e => file.EndsWith(e, StringComparison.Ordinal)) || file == "mesh" || file.StartsWith(".ci/", StringComparison.Ordinal);

    [GeneratedRegex(@"^(\./)?(src|tests|docs|examples|bench|\.ci)/", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RepositoryPath();

    [GeneratedRegex(@":\d+$", RegexOptions.None, 1000)]
    private static partial Regex LineNumber();

    [GeneratedRegex(@"\]\((?<it>[^)\s]+)\)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Link();

    [GeneratedRegex(@"(^|\$\(|&&|;|\||"")\s*(\$ )?(\./)?mesh (?<verb>[a-z][a-z-]*)( (?<next>[a-z][a-z-]*))?", RegexOptions.ExplicitCapture | RegexOptions.Multiline, 1000)]
    private static partial Regex MeshCall();

    [GeneratedRegex(@"^[ ]*```(?:sh|bash|console)[ ]*\n(?<it>.*?)^[ ]*```", RegexOptions.ExplicitCapture | RegexOptions.Multiline | RegexOptions.Singleline, 1000)]
    private static partial Regex ShellBlock();

    [GeneratedRegex(@"^[ ]*```.*?^[ ]*```", RegexOptions.Multiline | RegexOptions.Singleline, 1000)]
    private static partial Regex AnyBlock();

    [GeneratedRegex(@"`(?<it>[^`\n]+)`", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CodeSpan();

    [GeneratedRegex(@"(?<![\w./~}])/(work|home|root|Users)/|\b[A-Z]:\\[A-Za-z]", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex AbsolutePath();

    [GeneratedRegex(@"-----BEGIN [A-Z ]*PRIVATE KEY-----", RegexOptions.None, 1000)]
    private static partial Regex PrivateKey();

    [GeneratedRegex(@"\b(ghp_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9_-]{32,}|xox[abp]-[A-Za-z0-9-]{10,})\b", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex AccessToken();

    [GeneratedRegex(@"https?://[\w.-]*(nuget|artifactory|nexus|jfrog|npmjs|pypi)[\w.-]*", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RegistryHost();
}
