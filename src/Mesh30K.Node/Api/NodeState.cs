using System.Diagnostics;
using System.Text.Json;
using Mesh30K.Node.Runtime;

namespace Mesh30K.Node.Api;

/// <summary>Where a running node is, for the commands that look for it.</summary>
/// <param name="Address">The base address of its API, such as <c>http://127.0.0.1:7430</c>.</param>
/// <param name="Pid">Its process.</param>
/// <param name="StartedAt">When it started, UTC.</param>
public sealed record NodeState(string Address, int Pid, DateTimeOffset StartedAt)
{
    /// <summary>
    /// Whether a process with this number runs. After a crash the number may belong to another process: an answer of the API is the proof.
    /// </summary>
    public bool IsProcessAlive()
    {
        try
        {
            using Process process = Process.GetProcessById(Pid);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}

/// <summary>The file in which a node says where it is: mode 0600, written whole, removed when the node stops. Path given by the caller.</summary>
public static class NodeStateFile
{
    /// <summary>Writes or replaces it. Errors: <see cref="IOException"/>, <see cref="UnauthorizedAccessException"/>.</summary>
    public static void Write(string path, NodeState state) =>
        AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(state, ApiJson.Default.NodeState), replace: true);

    /// <summary>What it says; null when there is none, or when it is not readable as such (a node that starts writes it anew).</summary>
    public static NodeState? TryRead(string path)
    {
        try
        {
            var state = JsonSerializer.Deserialize(File.ReadAllBytes(path), ApiJson.Default.NodeState);
            return state is { Address: not null } ? state : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Removes it if it still names this process: another node may have replaced it.</summary>
    public static void RemoveIfOwn(string path)
    {
        if (TryRead(path)?.Pid == Environment.ProcessId) File.Delete(path);
    }
}
