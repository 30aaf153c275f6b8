namespace Mesh30K.Consistency.Tests;

/// <summary>The repository that these tests were built from. Paths are relative to its root, with forward slashes.</summary>
internal static class SourceTree
{
    private static readonly string Root = FindRoot();

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>The C# files of a folder and those below it, sorted; a file itself.</summary>
    public static IEnumerable<string> CSharpFiles(string folder) => folder.EndsWith(".cs", StringComparison.Ordinal)
        ? [folder]
        : Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(Root, f).Replace('\\', '/'))
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Mesh30K.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("these tests run from a build folder inside the repository");
    }
}
