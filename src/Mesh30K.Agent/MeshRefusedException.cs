namespace Mesh30K.Agent;

/// <summary>The mesh refused the agent and trying again does not help: the code and the message of REFUSED, or of the enrolment's problem.</summary>
public sealed class MeshRefusedException(string code, string message) : Exception(message)
{
    /// <summary>A word in snake_case, such as <c>revoked</c> or <c>token_used</c>.</summary>
    public string Code { get; } = code;
}

/// <summary>The identity folder cannot be used: readable by others, damaged, in use. The message says which file and what to do; it holds no secret.</summary>
public sealed class AgentIdentityException : Exception
{
    internal AgentIdentityException(string message)
        : base(message)
    {
    }

    internal AgentIdentityException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
