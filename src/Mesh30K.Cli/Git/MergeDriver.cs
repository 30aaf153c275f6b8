using System.Text;
using Mesh30K.Cli.State;
using Mesh30K.Consistency.Documents;

namespace Mesh30K.Cli.Git;

/// <summary>git's merge drivers for shared documents: what stands in git's configuration. Pure but for <see cref="Program"/>.</summary>
internal static class MergeDriver
{
    /// <summary>The environment variable in which the launcher script gives its own path.</summary>
    public const string LauncherVariable = "MESH_LAUNCHER";

    private const string Prefix = "mesh-";

    /// <summary>What <c>.gitattributes</c> calls the driver.</summary>
    public static string NameOf(DocumentType type) => Prefix + DocumentFiles.NameOf(type);

    /// <summary>Where git's configuration has the command of the driver.</summary>
    public static string KeyOf(DocumentType type) => $"merge.{NameOf(type)}.driver";

    /// <summary>What goes into git's configuration so that <paramref name="program"/> merges: one driver a type, whether or not a pattern uses it.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Settings(IReadOnlyList<string> program) =>
    [
        .. Enum.GetValues<DocumentType>().SelectMany(type => (KeyValuePair<string, string>[])
        [
            new($"merge.{NameOf(type)}.name", $"mesh: join of {DocumentFiles.NameOf(type)} documents, no entry lost"),
            new(KeyOf(type), CommandOf(program, type)),
        ]),
    ];

    /// <summary>
    /// The mesh that the user runs, as words of a command: the launcher script where that started this process, else this build of mesh.
    /// Full paths, because git calls the driver with the folder of a repository as working directory.
    /// </summary>
    public static IReadOnlyList<string> Program(Func<string, string?> environment, string? processPath)
    {
        if (environment(LauncherVariable) is { Length: > 0 } launcher && Path.IsPathFullyQualified(launcher) && File.Exists(launcher)) return [launcher];
        string assembly = typeof(MergeDriver).Assembly.Location;
        return Path.GetFileNameWithoutExtension(processPath) switch
        {
            "mesh" => [processPath!],
            "dotnet" => [processPath!, assembly],
            _ => ["dotnet", assembly],
        };
    }

    /// <summary>
    /// The files that a driver's command needs, as full paths: its leading words in single quotes, as <see cref="CommandOf"/> writes them. Empty for a
    /// command of another form.
    /// </summary>
    public static IReadOnlyList<string> FilesOf(string command)
    {
        List<string> files = [];
        int at = 0;
        while (at < command.Length && command[at] == '\'')
        {
            StringBuilder word = new();
            while (at < command.Length && command[at] != ' ')
            {
                if (command.AsSpan(at).StartsWith("\\'"))
                {
                    word.Append('\'');
                    at += 2;
                    continue;
                }
                int end = command[at] == '\'' ? command.IndexOf('\'', at + 1) : -1;
                if (end < 0) return [];
                word.Append(command, at + 1, end - at - 1);
                at = end + 1;
            }
            at++;
            string path = word.ToString().Replace("%%", "%", StringComparison.Ordinal);
            if (Path.IsPathFullyQualified(path)) files.Add(path);
        }
        return files;
    }

    /// <summary>git gives the command to a shell after it has put the files in; it quotes %P itself.</summary>
    private static string CommandOf(IReadOnlyList<string> program, DocumentType type) =>
        $"{string.Join(' ', program.Select(Quote))} state merge --driver --type={DocumentFiles.NameOf(type)} --path=%P --marker-size=%L -- %O %A %B";

    private static string Quote(string word) =>
        "'" + word.Replace("'", "'\\''", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal) + "'";
}
