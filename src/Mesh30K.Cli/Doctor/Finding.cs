namespace Mesh30K.Cli.Doctor;

/// <summary>How a check of this machine went.</summary>
public enum FindingStatus
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>The mesh runs, but slower, smaller or without one of its features.</summary>
    Warn,

    /// <summary>The mesh does not run, or not safely.</summary>
    Fail,
}

/// <summary>The outcome of one check.</summary>
/// <param name="Name">What was checked, in snake_case.</param>
/// <param name="Status">How it went.</param>
/// <param name="Detail">What was measured or seen.</param>
/// <param name="Advice">What to do about it; null when there is nothing to do.</param>
public sealed record Finding(string Name, FindingStatus Status, string Detail, string? Advice = null)
{
    public static Finding Ok(string name, string detail) => new(name, FindingStatus.Ok, detail);

    public static Finding Warn(string name, string detail, string advice) => new(name, FindingStatus.Warn, detail, advice);

    public static Finding Fail(string name, string detail, string advice) => new(name, FindingStatus.Fail, detail, advice);
}
