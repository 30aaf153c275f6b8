namespace Mesh30K.Protocol.Identity;

/// <summary>
/// The name of one agent, unique in the mesh: 1 to 128 characters of <c>A-Z a-z 0-9 . _ : -</c>. Compared ordinally.
/// Independent of the place in the hierarchy: an agent keeps its id when it moves to another cluster.
/// </summary>
public readonly record struct AgentId(string Value)
{
    public const int LengthMax = 128;

    /// <summary>Whether <paramref name="text"/> may be an agent id. Never throws.</summary>
    public static bool IsValid(string? text)
    {
        if (string.IsNullOrEmpty(text) || text.Length > LengthMax) return false;
        foreach (char c in text)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or ':' or '-')) return false;
        return true;
    }

    public override string ToString() => Value;
}
