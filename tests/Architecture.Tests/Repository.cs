using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Mesh30K.Architecture.Tests;

/// <summary>The repository that these tests were built from. Paths are relative to its root, with forward slashes.</summary>
internal static class Repository
{
    private static readonly string[] SkippedFolders = ["bin", "obj", "artifacts", "TestResults", ".git", ".mesh", ".vs", ".idea", "node_modules"];

    private static readonly Lazy<IReadOnlyList<string>> AllFiles = new(() => [.. Walk(Root!).Order(StringComparer.Ordinal)]);

    public static string Root { get; } = FindRoot();

    /// <summary>Every file outside the folders that a build or a tool writes.</summary>
    public static IReadOnlyList<string> Files => AllFiles.Value;

    public static IEnumerable<string> FilesWith(string extension) => Files.Where(f => f.EndsWith(extension, StringComparison.Ordinal));

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static bool Exists(string path) => Path.Exists(Path.Combine(Root, path));

    public static SyntaxTree Parse(string path) =>
        CSharpSyntaxTree.ParseText(Read(path), new CSharpParseOptions(LanguageVersion.Preview), path, cancellationToken: CancellationToken.None);

    /// <summary>Fails with one line for each finding.</summary>
    public static void AssertNone(IEnumerable<string> findings, string rule)
    {
        List<string> list = [.. findings];
        Assert.True(list.Count == 0, rule + Environment.NewLine + string.Join(Environment.NewLine, list.Take(50)));
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Mesh30K.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("these tests run from a build folder inside the repository");
    }

    private static IEnumerable<string> Walk(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder)) yield return Path.GetRelativePath(Root, file).Replace('\\', '/');
        foreach (string child in Directory.EnumerateDirectories(folder))
        {
            if (SkippedFolders.Contains(Path.GetFileName(child), StringComparer.Ordinal)) continue;
            foreach (string file in Walk(child)) yield return file;
        }
    }
}
