namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>
/// Bounds of a ledger: part of its replicated state, changed by <see cref="LedgerCommand.Configure"/>. The policy of each is <em>keep and refuse</em>:
/// an entry is kept for as long as was promised, because forgetting a key early would let an effect run twice; what is new is refused
/// (<see cref="LedgerOutcome.Full"/>) until retention or a person has made room.
/// </summary>
public sealed record LedgerOptions
{
    /// <summary>Effects, open and ended. Default 100,000.</summary>
    public int EffectsMax { get; init; } = 100_000;

    /// <summary>Leases held at once. Default 10,000.</summary>
    public int LeasesMax { get; init; } = 10_000;

    /// <summary>Members at once. Default 10,000.</summary>
    public int MembersMax { get; init; } = 10_000;

    /// <summary>Keys of tasks that are remembered. Default 500,000.</summary>
    public int SeenMax { get; init; } = 500_000;

    /// <summary>Keys with a value. Default 100,000.</summary>
    public int KeysMax { get; init; } = 100_000;

    /// <summary>
    /// Bytes of all entries together: 400 for each, 2 for each character, its data; an effect that was started and has not ended counts
    /// <see cref="LedgerLimits.OutputBytesMax"/> for its output to come. Default 268,435,456 (256 MiB).
    /// </summary>
    public long BytesMax { get; init; } = 256L << 20;

    /// <summary>The longest retention. Default 30 days, at most 365: longer costs memory for each key.</summary>
    public TimeSpan RetentionMax { get; init; } = TimeSpan.FromDays(30);

    /// <summary>The longest lease of an effect, a lease or a member. Default 1 day, at most 365: longer leaves a crash unnoticed for longer.</summary>
    public TimeSpan LeaseMax { get; init; } = TimeSpan.FromDays(1);
}

/// <summary>Bounds that are the same for every ledger.</summary>
public static class LedgerLimits
{
    /// <summary>Characters of a name, a key or a scope.</summary>
    public const int NameCharsMax = 256;

    /// <summary>Characters of a person's note.</summary>
    public const int NoteCharsMax = 1_024;

    /// <summary>Bytes of an effect's output: 64 KiB.</summary>
    public const int OutputBytesMax = 65_536;

    /// <summary>Bytes of a key's value: 64 KiB.</summary>
    public const int ValueBytesMax = 65_536;

    /// <summary>Bytes of what a member tells.</summary>
    public const int MemberBytesMax = 4_096;

    /// <summary>Bytes of an encoded command.</summary>
    public const int CommandBytesMax = 256 << 10;

    /// <summary>Entries of one part of a list.</summary>
    public const int PageMax = 1_000;

    /// <summary>Entries that one part of a list looks at, whether or not they fit its filter.</summary>
    public const int PageScanMax = 10_000;

    /// <summary>The largest of the longest retentions and leases.</summary>
    public static readonly TimeSpan SpanMax = TimeSpan.FromDays(365);

    /// <summary>The last moment of log time: the end of the year 9997, so that every span from it has a date.</summary>
    internal static readonly long TicksMax = new DateTime(9998, 1, 1, 0, 0, 0, DateTimeKind.Utc).Ticks - DateTime.UnixEpoch.Ticks;
}
