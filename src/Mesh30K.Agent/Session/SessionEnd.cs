using Mesh30K.Protocol.Messages;

namespace Mesh30K.Agent.Session;

/// <summary>The mesh ended the session with REFUSED.</summary>
internal sealed class SessionRefusedException(RefusedMessage refused, bool signed) : Exception($"{refused.Code}: {Words.Short(refused.Message)}")
{
    /// <summary>Codes after which trying again does not help: somebody has to act.</summary>
    private static readonly string[] ForGood = ["revoked", "unknown_agent", "unknown_key"];

    internal string Code => refused.Code;

    internal string Why => Words.Short(refused.Message);

    internal TimeSpan? RetryAfter => refused.RetryAfterMs is { } ms and > 0 ? TimeSpan.FromMilliseconds(ms) : null;

    /// <summary>Only what the mesh signed ends an agent: anybody on the way can write a plain REFUSED.</summary>
    internal bool IsForGood => signed && ForGood.Contains(refused.Code, StringComparer.Ordinal);

    /// <summary>The agent's key is not valid at the mesh (any more): the next one may be.</summary>
    internal bool IsAboutKey => refused.Code == "unknown_key";
}

/// <summary>The session broke: no answer, a frame that cannot be trusted, a message that cannot be read. Trying again may help.</summary>
internal sealed class SessionBrokenException(string message) : Exception(message);
