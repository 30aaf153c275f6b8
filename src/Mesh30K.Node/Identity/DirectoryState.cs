using System.Collections.Immutable;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Identity;

/// <summary>A token as it is kept.</summary>
/// <param name="Hash">SHA-256 of the secret.</param>
/// <param name="Grant">What it allows.</param>
/// <param name="Used">How often it was used.</param>
internal sealed record TokenState(byte[] Hash, TokenGrant Grant, int Used)
{
    internal string Name => EnrolToken.NameOf(Hash);
}

/// <summary>What one step changes: one record of the journal, so that all of it is durable or none. What is null stays.</summary>
internal sealed record DirectoryChange
{
    internal EnrolledAgent? Agent { get; init; }

    internal TokenState? Token { get; init; }

    /// <summary>Names of tokens to forget, before <see cref="Token"/> is added.</summary>
    internal IReadOnlyList<string> Forgotten { get; init; } = [];

    /// <summary>All epochs up to this one may have been given.</summary>
    internal long? EpochsUpTo { get; init; }
}

/// <summary>Everything that the directory knows. Immutable: a change shares what it does not touch (a step of a balanced tree), so that each enrolment copies a few dozen nodes and readers keep a whole picture.</summary>
internal sealed record DirectoryState(ImmutableDictionary<AgentId, EnrolledAgent> Agents, ImmutableDictionary<string, TokenState> Tokens, long EpochsUpTo)
{
    internal static readonly DirectoryState Empty = new(ImmutableDictionary<AgentId, EnrolledAgent>.Empty, ImmutableDictionary.Create<string, TokenState>(StringComparer.Ordinal), 0);

    internal DirectoryState With(DirectoryChange change)
    {
        ImmutableDictionary<string, TokenState> tokens = change.Forgotten.Count == 0 ? Tokens : Tokens.RemoveRange(change.Forgotten);
        if (change.Token is { } token) tokens = tokens.SetItem(token.Name, token);
        return new DirectoryState(
            change.Agent is { } agent ? Agents.SetItem(agent.Id, agent) : Agents,
            tokens,
            Math.Max(EpochsUpTo, change.EpochsUpTo ?? 0));
    }

    /// <summary>The changes that make this state out of nothing.</summary>
    internal IEnumerable<DirectoryChange> Snapshot()
    {
        yield return new DirectoryChange { EpochsUpTo = EpochsUpTo };
        foreach (EnrolledAgent agent in Agents.Values) yield return new DirectoryChange { Agent = agent };
        foreach (TokenState token in Tokens.Values) yield return new DirectoryChange { Token = token };
    }
}
