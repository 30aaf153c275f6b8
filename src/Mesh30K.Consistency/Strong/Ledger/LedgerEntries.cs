using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>The id of an entry among those of its kind, ordered ordinally.</summary>
/// <param name="Scope">The principal of an effect, the scope of a seen key; else empty.</param>
/// <param name="Name">The key, or the name of the lease or member.</param>
public readonly record struct LedgerKey(string Scope, string Name) : IComparable<LedgerKey>
{
    public int CompareTo(LedgerKey other)
    {
        int scopes = string.CompareOrdinal(Scope, other.Scope);
        return scopes != 0 ? scopes : string.CompareOrdinal(Name, other.Name);
    }

    public override string ToString() => Scope.Length == 0 ? Name : $"{Scope}/{Name}";
}

/// <summary>Something that the ledger keeps, as it is at one moment. Immutable.</summary>
public abstract record LedgerEntry
{
    /// <summary>What an entry takes beside its texts and bytes, roughly.</summary>
    private protected const long BytesOfEntry = 400;

    private protected LedgerEntry()
    {
    }

    public required LedgerKey Id { get; init; }

    /// <summary>When log time changes it or has it forgotten, if nothing else comes before; null: never.</summary>
    public abstract Instant? Due { get; }

    /// <summary>What it counts against <see cref="LedgerOptions.BytesMax"/>.</summary>
    internal virtual long Bytes => BytesOfEntry + (2L * (Id.Scope.Length + Id.Name.Length));
}

/// <summary>How far an effect is.</summary>
public enum EffectStatus
{
    /// <summary>Recorded; nobody executes it. It waits for a start.</summary>
    Intended,

    /// <summary>An executor does it, until its lease ends.</summary>
    Executing,

    /// <summary>Its executor did not report in time, and it may have taken place. It waits for a late report or a person, and does not run again by itself.</summary>
    InDoubt,

    /// <summary>It took place. Its output is replayed until its retention is over.</summary>
    Done,

    /// <summary>It did not take place and is not tried again. The reason is replayed until its retention is over.</summary>
    Failed,

    /// <summary>A person gave it up. It does not run until its retention is over.</summary>
    Abandoned,
}

/// <summary>An effect outside the mesh and what became of it.</summary>
public sealed record LedgerEffect : LedgerEntry
{
    public required EffectStatus Status { get; init; }

    /// <summary>The SHA-256 of the request.</summary>
    public required PayloadHash Request { get; init; }

    /// <summary>Whether a second one with the same key is dropped by whoever receives it.</summary>
    public required bool HonoursKey { get; init; }

    /// <summary>How long the record is kept after the end, by log time.</summary>
    public required TimeSpan Retention { get; init; }

    /// <summary>When it was recorded, by log time.</summary>
    public required Instant IntendedAt { get; init; }

    /// <summary>Since when it has been in this state, by log time.</summary>
    public required Instant Since { get; init; }

    /// <summary>The fencing epoch of the last start; 0 when it was never started.</summary>
    public long Epoch { get; init; }

    /// <summary>Starts so far.</summary>
    public long Attempts { get; init; }

    /// <summary>Who started it last; null when nobody did.</summary>
    public string? Executor { get; init; }

    /// <summary>Set while it is executed.</summary>
    public Instant? LeaseUntil { get; init; }

    /// <summary>The result or the reason; empty before the end.</summary>
    public ReadOnlyMemory<byte> Output { get; init; }

    /// <summary>Who decided on it; null when nobody did since the last start.</summary>
    public string? ResolvedBy { get; init; }

    /// <summary>Why it was decided so; empty for no reason given.</summary>
    public string Note { get; init; } = "";

    public bool IsOpen => Status <= EffectStatus.InDoubt;

    public override Instant? Due => IsOpen ? LeaseUntil : Since + Retention;

    /// <summary>One that was started has room for its output set aside, so that no report is ever refused for lack of it.</summary>
    internal override long Bytes
    {
        get
        {
            long output = IsOpen && Epoch > 0 ? LedgerLimits.OutputBytesMax : Output.Length;
            return base.Bytes + output + (2L * ((Executor?.Length ?? 0) + (ResolvedBy?.Length ?? 0) + Note.Length));
        }
    }
}

/// <summary>A lease that is held. When it is released or its time is over it is forgotten; epochs go on growing.</summary>
public sealed record LedgerLease : LedgerEntry
{
    public required string Holder { get; init; }

    /// <summary>The fencing epoch: whatever the lease protects refuses a lower one than it has seen.</summary>
    public required long Epoch { get; init; }

    public required Instant AcquiredAt { get; init; }

    public required Instant Until { get; init; }

    public override Instant? Due => Until;

    internal override long Bytes => base.Bytes + (2L * Holder.Length);
}

/// <summary>A member that is alive, as far as is known.</summary>
public sealed record LedgerMember : LedgerEntry
{
    public required ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>The epoch of this life of it.</summary>
    public required long Epoch { get; init; }

    public required Instant JoinedAt { get; init; }

    public required Instant Until { get; init; }

    public override Instant? Due => Until;

    internal override long Bytes => base.Bytes + Data.Length;
}

/// <summary>The key of a task that was named.</summary>
public sealed record LedgerSeenKey : LedgerEntry
{
    /// <summary>Who named it first.</summary>
    public required string Owner { get; init; }

    public required Instant SeenAt { get; init; }

    public required Instant Until { get; init; }

    public override Instant? Due => Until;

    internal override long Bytes => base.Bytes + (2L * Owner.Length);
}

/// <summary>A key with its value.</summary>
public sealed record LedgerValue : LedgerEntry
{
    public required ReadOnlyMemory<byte> Value { get; init; }

    /// <summary>Which write of the ledger this was, from 1: grows with each write to any key.</summary>
    public required long Version { get; init; }

    public override Instant? Due => null;

    internal override long Bytes => base.Bytes + Value.Length;
}
