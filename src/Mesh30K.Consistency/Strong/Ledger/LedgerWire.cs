using System.Buffers;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerFormatException;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>
/// Questions and answers as bytes, between a client and a coordinator. Numbers and texts as in <see cref="LedgerCodec"/>. What is read is checked as far as its form goes: its sender is
/// trusted with its content. Readers throw <see cref="LedgerFormatException"/> for what the writer of the same name would not have written. Stateless.
/// </summary>
public static class LedgerWire
{
    private static readonly long UntilTicksMax = LedgerLimits.TicksMax + LedgerLimits.SpanMax.Ticks;

    /// <summary>Writes a question. DUTY OF THE HOST: a limit from 1 to <see cref="LedgerLimits.PageMax"/>.</summary>
    public static void Write(LedgerQuery query, IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(to);
        LedgerWriter writer = new(to);
        switch (query)
        {
            case LedgerQuery.Find find:
                Key(writer.Number(0).Number((long)find.Kind), find.Id);
                break;
            case LedgerQuery.List list:
                writer.Number(1).Number((long)list.Kind).Number(list.Status is { } status ? (long)status + 1 : 0).Flag(list.After is not null);
                if (list.After is { } after) Key(writer, after);
                writer.Number(list.Limit);
                break;
            default:
                throw new ArgumentException($"a question that this ledger does not know: {query?.GetType().Name}", nameof(query));
        }
    }

    /// <summary>Reads a question.</summary>
    public static LedgerQuery ReadQuery(ReadOnlySpan<byte> bytes)
    {
        LedgerReader reader = new(bytes);
        bool lists = reader.Flag();
        LedgerEntryKind kind = (LedgerEntryKind)reader.Number((int)LedgerEntryKind.Value);
        LedgerQuery query = lists ? ReadList(kind, ref reader) : new LedgerQuery.Find(kind, ReadKey(ref reader));
        reader.End();
        return query;
    }

    /// <summary>Writes a reply.</summary>
    public static void Write(LedgerReply reply, IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(reply);
        ArgumentNullException.ThrowIfNull(to);
        LedgerWriter writer = new LedgerWriter(to).Number((long)reply.Outcome).Text(reply.Message).Flag(reply.Entry is not null);
        if (reply.Entry is { } entry) WriteEntry(entry, writer);
    }

    /// <summary>Reads a reply.</summary>
    public static LedgerReply ReadReply(ReadOnlySpan<byte> bytes)
    {
        LedgerReader reader = new(bytes);
        LedgerOutcome outcome = (LedgerOutcome)reader.Number((int)LedgerOutcome.Invalid);
        string message = reader.Text();
        LedgerReply reply = new(outcome, reader.Flag() ? ReadEntry(ref reader) : null, message);
        reader.End();
        return reply;
    }

    /// <summary>Writes a part of a list.</summary>
    public static void Write(LedgerPage<LedgerEntry> page, IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(page);
        ArgumentNullException.ThrowIfNull(to);
        LedgerWriter writer = new LedgerWriter(to).Number(page.Items.Count);
        foreach (LedgerEntry entry in page.Items) WriteEntry(entry, writer);
        writer.Flag(page.Next is not null);
        if (page.Next is { } next) Key(writer, next);
    }

    /// <summary>Reads a part of a list.</summary>
    public static LedgerPage<LedgerEntry> ReadPage(ReadOnlySpan<byte> bytes)
    {
        LedgerReader reader = new(bytes);
        LedgerEntry[] items = new LedgerEntry[reader.Count()];
        for (int i = 0; i < items.Length; i++) items[i] = ReadEntry(ref reader);
        LedgerKey? next = reader.Flag() ? ReadKey(ref reader) : null;
        reader.End();
        return new LedgerPage<LedgerEntry>(items, next);
    }

    private static LedgerQuery.List ReadList(LedgerEntryKind kind, ref LedgerReader reader)
    {
        int status = reader.Number((int)EffectStatus.Abandoned + 1);
        LedgerKey? after = reader.Flag() ? ReadKey(ref reader) : null;
        int limit = reader.Number(LedgerLimits.PageMax);
        Require(limit > 0, "a question asks for nothing");
        return new LedgerQuery.List(kind, status == 0 ? null : (EffectStatus)(status - 1), after, limit);
    }

    private static LedgerWriter Key(LedgerWriter writer, LedgerKey key) => writer.Text(key.Scope).Text(key.Name);

    private static LedgerKey ReadKey(ref LedgerReader reader) => new(reader.Text(), reader.Text());

    private static Instant Until(ref LedgerReader reader) => new(reader.Number(UntilTicksMax));

    private static void WriteEntry(LedgerEntry entry, LedgerWriter writer)
    {
        switch (entry)
        {
            case LedgerEffect e:
                Key(writer.Number((long)LedgerEntryKind.Effect), e.Id).Number((long)e.Status).Hash(e.Request).Flag(e.HonoursKey).Span(e.Retention).At(e.IntendedAt).At(e.Since).Number(e.Epoch)
                    .Number(e.Attempts).Optional(e.Executor).Optional(e.ResolvedBy).Text(e.Note).Bytes(e.Output).Flag(e.LeaseUntil is not null);
                if (e.LeaseUntil is { } until) writer.At(until);
                break;
            case LedgerLease e:
                Key(writer.Number((long)LedgerEntryKind.Lease), e.Id).Text(e.Holder).Number(e.Epoch).At(e.AcquiredAt).At(e.Until);
                break;
            case LedgerMember e:
                Key(writer.Number((long)LedgerEntryKind.Member), e.Id).Bytes(e.Data).Number(e.Epoch).At(e.JoinedAt).At(e.Until);
                break;
            case LedgerSeenKey e:
                Key(writer.Number((long)LedgerEntryKind.Seen), e.Id).Text(e.Owner).At(e.SeenAt).At(e.Until);
                break;
            case LedgerValue e:
                Key(writer.Number((long)LedgerEntryKind.Value), e.Id).Bytes(e.Value).Number(e.Version);
                break;
            default:
                throw new ArgumentException($"an entry that this ledger does not know: {entry.GetType().Name}", nameof(entry));
        }
    }

    private static LedgerEntry ReadEntry(ref LedgerReader reader)
    {
        LedgerEntryKind kind = (LedgerEntryKind)reader.Number((int)LedgerEntryKind.Value);
        LedgerKey id = ReadKey(ref reader);
        return kind switch
        {
            LedgerEntryKind.Effect => ReadEffect(id, ref reader),
            LedgerEntryKind.Lease => new LedgerLease { Id = id, Holder = reader.Name(), Epoch = reader.Number(), AcquiredAt = reader.At(), Until = Until(ref reader) },
            LedgerEntryKind.Member => new LedgerMember { Id = id, Data = reader.Bytes(LedgerLimits.MemberBytesMax), Epoch = reader.Number(), JoinedAt = reader.At(), Until = Until(ref reader) },
            LedgerEntryKind.Seen => new LedgerSeenKey { Id = id, Owner = reader.Name(), SeenAt = reader.At(), Until = Until(ref reader) },
            _ => new LedgerValue { Id = id, Value = reader.Bytes(LedgerLimits.ValueBytesMax), Version = reader.Number() },
        };
    }

    private static LedgerEffect ReadEffect(LedgerKey id, ref LedgerReader reader)
    {
        LedgerEffect effect = new()
        {
            Id = id,
            Status = (EffectStatus)reader.Number((int)EffectStatus.Abandoned),
            Request = reader.Hash(),
            HonoursKey = reader.Flag(),
            Retention = reader.Span(),
            IntendedAt = reader.At(),
            Since = reader.At(),
            Epoch = reader.Number(),
            Attempts = reader.Number(),
            Executor = reader.Optional(),
            ResolvedBy = reader.Optional(),
            Note = reader.Note(),
            Output = reader.Bytes(LedgerLimits.OutputBytesMax),
        };
        return reader.Flag() ? effect with { LeaseUntil = Until(ref reader) } : effect;
    }
}
