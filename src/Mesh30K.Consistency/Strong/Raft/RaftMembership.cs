namespace Mesh30K.Consistency.Strong.Raft;

/// <summary>One step of a membership: of one server, so that any two majorities before and after it share a server (thesis 4.1).</summary>
public enum MemberStep
{
    /// <summary>A new server receives the log and has no vote (thesis 4.2.1).</summary>
    AddLearner,

    /// <summary>A learner that has caught up gets a vote.</summary>
    Promote,

    /// <summary>A voter or learner leaves.</summary>
    Remove,
}

/// <summary>Who belongs to a group. Immutable; both lists ascend and share no server.</summary>
public sealed class RaftMembership
{
    /// <summary>Nobody: what a server knows that waits to be added.</summary>
    public static readonly RaftMembership Empty = new([], []);

    private RaftMembership(ServerId[] voters, ServerId[] learners) => (Voters, Learners) = (voters, learners);

    /// <summary>Those whose majority decides.</summary>
    public IReadOnlyList<ServerId> Voters { get; }

    /// <summary>Those that only receive.</summary>
    public IReadOnlyList<ServerId> Learners { get; }

    /// <summary>How many voters are a majority; more than there are when there is none.</summary>
    public int Majority => Voters.Count / 2 + 1;

    /// <summary>A group of these voters and no learners. Throws <see cref="ArgumentException"/> for a server named twice or <see cref="ServerId.None"/>.</summary>
    public static RaftMembership Of(params ServerId[] voters)
    {
        ArgumentNullException.ThrowIfNull(voters);
        ServerId[] sorted = [.. voters.Order()];
        for (int i = 0; i < sorted.Length; i++)
            if (sorted[i].Number <= 0 || (i > 0 && sorted[i] == sorted[i - 1])) throw new ArgumentException($"{sorted[i]} is no member, or named twice", nameof(voters));
        return new RaftMembership(sorted, []);
    }

    public bool IsVoter(ServerId server) => Voters.Contains(server);

    public bool IsLearner(ServerId server) => Learners.Contains(server);

    public bool Contains(ServerId server) => IsVoter(server) || IsLearner(server);

    /// <summary>The membership after that step; null when it does not fit.</summary>
    public RaftMembership? After(MemberStep step, ServerId server)
    {
        if (server.Number <= 0) return null;
        ServerId[] without = [.. Learners.Where(l => l != server)];
        return step switch
        {
            MemberStep.AddLearner when !Contains(server) => new RaftMembership([.. Voters], [.. Learners.Append(server).Order()]),
            MemberStep.Promote when IsLearner(server) => new RaftMembership([.. Voters.Append(server).Order()], without),
            MemberStep.Remove when IsLearner(server) => new RaftMembership([.. Voters], without),
            MemberStep.Remove when IsVoter(server) && Voters.Count > 1 => new RaftMembership([.. Voters.Where(v => v != server)], [.. Learners]),
            _ => null,
        };
    }

    /// <summary>The payload of a membership entry.</summary>
    public byte[] ToBytes()
    {
        RaftRecordWriter writer = new();
        writer.Membership(this);
        return writer.Written.ToArray();
    }

    /// <summary>Reads a payload. Throws <see cref="RaftRecordException"/> for what <see cref="ToBytes"/> would not have written.</summary>
    public static RaftMembership Read(ReadOnlySpan<byte> payload)
    {
        RaftRecordReader reader = new(payload);
        RaftMembership membership = reader.Membership();
        reader.End();
        return membership;
    }

    /// <summary>From lists that were read; null when they do not ascend or share a server.</summary>
    internal static RaftMembership? TryCreate(ServerId[] voters, ServerId[] learners)
    {
        ServerId[] all = [.. voters.Concat(learners).Order()];
        for (int i = 0; i < all.Length; i++)
            if (all[i].Number <= 0 || (i > 0 && all[i] == all[i - 1])) return null;
        return voters.SequenceEqual(voters.Order()) && learners.SequenceEqual(learners.Order()) ? new RaftMembership(voters, learners) : null;
    }

    public override string ToString() => $"voters {string.Join(' ', Voters)}" + (Learners.Count > 0 ? $", learners {string.Join(' ', Learners)}" : "");
}
