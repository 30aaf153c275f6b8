using System.Buffers;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerFormatException;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>
/// The whole state as bytes: version, log time, counters, bounds, then each kind of entry with its count, ascending. The same state gives the same bytes. What is
/// read is checked as strictly as a command: it may come from another coordinator.
/// </summary>
internal static class LedgerSnapshot
{
    private const int Version = 1;

    public static void Write(LedgerImage image, IBufferWriter<byte> to)
    {
        LedgerWriter writer = new LedgerWriter(to).Number(Version).At(image.Now).Number(image.EpochLast).Number(image.VersionLast);
        WriteOptions(image.Options, writer);
        foreach (LedgerEffect effect in Counted(image.Effects, writer)) WriteEffect(effect, image.Now, writer);
        foreach (LedgerLease e in Counted(image.Leases, writer)) writer.Text(e.Id.Name).Text(e.Holder).Number(e.Epoch).At(e.AcquiredAt).Span(e.Until - image.Now);
        foreach (LedgerMember e in Counted(image.Members, writer)) writer.Text(e.Id.Name).Bytes(e.Data).Number(e.Epoch).At(e.JoinedAt).Span(e.Until - image.Now);
        foreach (LedgerSeenKey e in Counted(image.Seen, writer)) writer.Text(e.Id.Scope).Text(e.Id.Name).Text(e.Owner).At(e.SeenAt).Span(e.Until - image.Now);
        foreach (LedgerValue e in Counted(image.Values, writer)) writer.Text(e.Id.Name).Bytes(e.Value).Number(e.Version);
    }

    public static LedgerState Read(ReadOnlySpan<byte> snapshot)
    {
        LedgerReader reader = new(snapshot);
        Require(reader.Number() == Version, "a ledger's snapshot is of an unknown version");
        LedgerState state = new() { Now = reader.At(), EpochLast = reader.Number(), VersionLast = reader.Number(), Options = ReadOptions(ref reader) };
        Require(LedgerRules.Refuse(new LedgerCommand.Configure(state.Options)) is null, "a ledger's snapshot has a bound out of range");
        ReadAll(state, state.Effects, ref reader, ReadEffect);
        ReadAll(state, state.Leases, ref reader, ReadLease);
        ReadAll(state, state.Members, ref reader, ReadMember);
        ReadAll(state, state.Seen, ref reader, ReadSeen);
        ReadAll(state, state.Values, ref reader, ReadValue);
        reader.End();
        return state;
    }

    public static void WriteOptions(LedgerOptions options, LedgerWriter writer) => writer
        .Number(options.EffectsMax).Number(options.LeasesMax).Number(options.MembersMax).Number(options.SeenMax).Number(options.KeysMax)
        .Number(options.BytesMax).Span(options.RetentionMax).Span(options.LeaseMax);

    public static LedgerOptions ReadOptions(ref LedgerReader reader) => new()
    {
        EffectsMax = reader.Number(int.MaxValue),
        LeasesMax = reader.Number(int.MaxValue),
        MembersMax = reader.Number(int.MaxValue),
        SeenMax = reader.Number(int.MaxValue),
        KeysMax = reader.Number(int.MaxValue),
        BytesMax = reader.Number(),
        RetentionMax = reader.Span(),
        LeaseMax = reader.Span(),
    };

    private delegate T ReadOne<T>(LedgerState state, ref LedgerReader reader);

    /// <summary>Writes how many there are and gives them, ascending.</summary>
    private static T[] Counted<T>(T[] entries, LedgerWriter writer)
        where T : LedgerEntry
    {
        writer.Number(entries.Length);
        T[] ascending = [.. entries];
        Array.Sort(ascending, static (a, b) => a.Id.CompareTo(b.Id));
        return ascending;
    }

    private static void ReadAll<T>(LedgerState state, LedgerTable<T> table, ref LedgerReader reader, ReadOne<T> read)
        where T : LedgerEntry
    {
        LedgerKey? last = null;
        for (int left = reader.Count(); left > 0; left--)
        {
            T entry = read(state, ref reader);
            Require(last is null || last.Value.CompareTo(entry.Id) < 0, "a ledger's snapshot has entries out of order");
            Require(!(entry.Due <= state.Now), "a ledger's snapshot has an entry that was due");
            table.Put(entry);
            last = entry.Id;
        }
    }

    private static void WriteEffect(LedgerEffect effect, Instant now, LedgerWriter writer)
    {
        writer.Text(effect.Id.Scope).Text(effect.Id.Name).Number((long)effect.Status).Hash(effect.Request).Flag(effect.HonoursKey).Span(effect.Retention);
        writer.At(effect.IntendedAt).At(effect.Since).Number(effect.Epoch).Number(effect.Attempts).Optional(effect.Executor);
        writer.Optional(effect.ResolvedBy).Text(effect.Note).Bytes(effect.Output);
        if (effect.LeaseUntil is { } until) writer.Span(until - now); // while it is executed
    }

    private static LedgerEffect ReadEffect(LedgerState state, ref LedgerReader reader)
    {
        LedgerEffect effect = new()
        {
            Id = new LedgerKey(reader.Name(), reader.Name()),
            Status = (EffectStatus)reader.Number((int)EffectStatus.Abandoned),
            Request = reader.Hash(),
            HonoursKey = reader.Flag(),
            Retention = reader.Span(),
            IntendedAt = reader.At(),
            Since = reader.At(),
            Epoch = reader.Number(state.EpochLast),
            Attempts = reader.Number(),
            Executor = reader.Optional(),
            ResolvedBy = reader.Optional(),
            Note = reader.Note(),
            Output = reader.Bytes(LedgerLimits.OutputBytesMax),
        };
        if (effect.Status == EffectStatus.Executing) effect = effect with { LeaseUntil = state.Now + reader.Span() };
        Require(effect.IntendedAt <= effect.Since && effect.Since <= state.Now, "a ledger's snapshot has an effect with moments out of order");
        bool wasStarted = effect.Epoch > 0;
        Require((effect.Attempts > 0) == wasStarted && (effect.Executor is not null) == wasStarted, "a ledger's snapshot has an effect that was started and was not");
        Require(wasStarted || effect.Status is EffectStatus.Intended or EffectStatus.Abandoned, "a ledger's snapshot has an effect that cannot be so without a start");
        Require(effect.Output.Length == 0 || effect.Status is EffectStatus.Done or EffectStatus.Failed, "a ledger's snapshot has an output that cannot be");
        Require(!(effect.HonoursKey && effect.Status == EffectStatus.InDoubt), "a ledger's snapshot has an effect in doubt that honours its key");
        return effect;
    }

    private static LedgerLease ReadLease(LedgerState state, ref LedgerReader reader) => new()
    {
        Id = new LedgerKey("", reader.Name()),
        Holder = reader.Name(),
        Epoch = reader.Given(state.EpochLast),
        AcquiredAt = Past(state, reader.At()),
        Until = state.Now + reader.Span(),
    };

    private static LedgerMember ReadMember(LedgerState state, ref LedgerReader reader) => new()
    {
        Id = new LedgerKey("", reader.Name()),
        Data = reader.Bytes(LedgerLimits.MemberBytesMax),
        Epoch = reader.Given(state.EpochLast),
        JoinedAt = Past(state, reader.At()),
        Until = state.Now + reader.Span(),
    };

    private static LedgerSeenKey ReadSeen(LedgerState state, ref LedgerReader reader) => new()
    {
        Id = new LedgerKey(reader.Name(), reader.Name()),
        Owner = reader.Name(),
        SeenAt = Past(state, reader.At()),
        Until = state.Now + reader.Span(),
    };

    private static LedgerValue ReadValue(LedgerState state, ref LedgerReader reader) => new()
    {
        Id = new LedgerKey("", reader.Name()),
        Value = reader.Bytes(LedgerLimits.ValueBytesMax),
        Version = reader.Given(state.VersionLast),
    };

    private static Instant Past(LedgerState state, Instant at)
    {
        Require(at <= state.Now, "a ledger's snapshot has a moment later than its own");
        return at;
    }
}
