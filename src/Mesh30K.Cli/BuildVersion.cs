using System.Reflection;

namespace Mesh30K.Cli;

/// <summary>Which build this is. The commit comes from the repository at build time and is null when it was built without one.</summary>
public sealed record BuildVersion(string Version, string? Commit)
{
    private const int CommitCharsShown = 12;

    public static BuildVersion Current { get; } = Parse(
        typeof(BuildVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0");

    /// <summary>Splits <c>0.1.0+commit</c>.</summary>
    public static BuildVersion Parse(string informational)
    {
        int plus = informational.IndexOf('+', StringComparison.Ordinal);
        if (plus < 0) return new BuildVersion(informational, null);
        string commit = informational[(plus + 1)..];
        return new BuildVersion(informational[..plus], commit.Length > CommitCharsShown ? commit[..CommitCharsShown] : commit);
    }

    public override string ToString() => Commit is null ? $"mesh {Version}" : $"mesh {Version} (commit {Commit})";
}
