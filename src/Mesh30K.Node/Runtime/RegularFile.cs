namespace Mesh30K.Node.Runtime;

/// <summary>
/// Tells files that end from those that need not: opening a pipe waits for its writer for ever, and a device such as <c>/dev/zero</c> never ends.
/// Ask before reading a file that a user named. Thread-safe.
/// </summary>
public static class RegularFile
{
    /// <summary>
    /// What the path is when reading it could wait for ever (<c>"a pipe"</c>, <c>"a device"</c>, <c>"a socket"</c>); null for a file, a folder, nothing
    /// at all, and on systems where this cannot be asked. Follows links.
    /// </summary>
    public static string? WhyNot(string path) => LinuxNative.TypeOf(path) switch
    {
        LinuxNative.FileType.Pipe => "a pipe",
        LinuxNative.FileType.CharacterDevice or LinuxNative.FileType.BlockDevice => "a device",
        LinuxNative.FileType.Socket => "a socket",
        _ => null,
    };
}
