namespace Mesh30K.Simulation.Tests;

/// <summary>
/// Where the recorded traces are: the folder that the environment variable <c>MESH_DATA</c> names, else the nearest <c>shared/data</c> found
/// by walking up from the test binaries. They are not part of the repository, so what needs them skips when they are absent.
/// </summary>
internal static class RecordedData
{
    private const string Variable = "MESH_DATA";

    /// <summary>The folder, or null.</summary>
    public static string? Folder { get; } = Find();

    /// <summary>The path of a file or folder in the data, or a skip that says how to provide it.</summary>
    public static string Require(params string[] parts)
    {
        string? path = Folder is null ? null : Path.Combine([Folder, .. parts]);
        if (path is null || !(File.Exists(path) || Directory.Exists(path)))
        {
            Assert.Skip(
                $"needs the recorded traces ({string.Join('/', parts)}): set {Variable} to their folder,"
                + " or put them in shared/data beside the repository");
        }
        return path;
    }

    /// <summary>The root of the repository: the nearest folder upwards that holds the solution.</summary>
    public static string RepositoryRoot() =>
        Upwards().FirstOrDefault(folder => File.Exists(Path.Combine(folder, "Mesh30K.slnx")))
        ?? throw new InvalidOperationException("the tests do not run from inside the repository");

    private static string? Find()
    {
        string? named = Environment.GetEnvironmentVariable(Variable);
        if (!string.IsNullOrEmpty(named)) return named;
        return Upwards().Select(folder => Path.Combine(folder, "shared", "data")).FirstOrDefault(Directory.Exists);
    }

    private static IEnumerable<string> Upwards()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent) yield return folder.FullName;
    }
}
