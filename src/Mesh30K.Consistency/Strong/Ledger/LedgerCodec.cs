using System.Buffers;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>
/// Commands as entries of a log: version, log time, kind, fields. The layout of a kind never changes: another layout is another kind. One command and moment
/// have one form. Stateless.
/// </summary>
public static class LedgerCodec
{
    private const int Version = 1;

    private enum Kind
    {
        Intend = 1,
        Start = 2,
        Finish = 3,
        Renew = 4,
        Resolve = 5,
        AcquireLease = 6,
        RenewLease = 7,
        ReleaseLease = 8,
        RegisterMember = 9,
        RenewMember = 10,
        RemoveMember = 11,
        MarkSeen = 12,
        SetKey = 13,
        Tick = 14,
        Configure = 15,
    }

    /// <summary>
    /// Writes a command, at most <see cref="LedgerLimits.CommandBytesMax"/>. DUTY OF THE HOST: ask <see cref="LedgerMachine.Refuse"/> first; throws
    /// <see cref="ArgumentException"/> for a command that it refuses, or a moment below 0 or after the year 9997, since replicas could not read it.
    /// </summary>
    public static void Encode(LedgerCommand command, Instant at, IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (LedgerMachine.Refuse(command) is { } refusal) throw new ArgumentException(refusal.Message, nameof(command));
        if (at.Ticks < 0 || at.Ticks > LedgerLimits.TicksMax) throw new ArgumentException($"{at.Ticks} is no log time", nameof(at));
        LedgerWriter writer = new LedgerWriter(to).Number(Version).At(at);
        if (command is Effect effect) EncodeEffect(effect, writer);
        else EncodeOther(command, writer);
    }

    /// <summary>Reads a command. Throws <see cref="LedgerFormatException"/> for what <see cref="Encode"/> would not have written.</summary>
    public static (LedgerCommand Command, Instant At) Decode(ReadOnlySpan<byte> entry)
    {
        LedgerFormatException.Require(entry.Length <= LedgerLimits.CommandBytesMax, "a command is longer than any");
        LedgerReader reader = new(entry);
        LedgerFormatException.Require(reader.Number() == Version, "a command is of an unknown version");
        Instant at = reader.At();
        Kind kind = (Kind)reader.Number((int)Kind.Configure);
        LedgerCommand command = kind is >= Kind.Intend and <= Kind.Resolve ? DecodeEffect(kind, ref reader) : DecodeOther(kind, ref reader);
        reader.End();
        LedgerFormatException.Require(LedgerRules.Refuse(command) is null, "a command has a field out of range");
        return (command, at);
    }

    private static void EncodeEffect(Effect command, LedgerWriter writer)
    {
        Kind kind = command switch { Intend => Kind.Intend, Start => Kind.Start, Finish => Kind.Finish, Renew => Kind.Renew, _ => Kind.Resolve };
        writer.Number((long)kind).Text(command.Principal).Text(command.Key);
        switch (command)
        {
            case Intend c:
                writer.Hash(c.Request).Flag(c.HonoursKey).Span(c.Retention);
                break;
            case Start c:
                writer.Hash(c.Request).Flag(c.HonoursKey).Span(c.Retention).Text(c.Executor).Span(c.Lease);
                break;
            case Finish c:
                writer.Number(c.Epoch).Number((long)c.Report).Bytes(c.Output);
                break;
            case Renew c:
                writer.Number(c.Epoch).Span(c.Lease);
                break;
            case Resolve c:
                writer.Number(c.Epoch).Number((long)c.Verdict).Text(c.By).Text(c.Note).Bytes(c.Output);
                break;
        }
    }

    private static void EncodeOther(LedgerCommand command, LedgerWriter writer)
    {
        switch (command)
        {
            case AcquireLease c:
                writer.Number((long)Kind.AcquireLease).Text(c.Name).Text(c.Holder).Span(c.Lease);
                break;
            case RenewLease c:
                writer.Number((long)Kind.RenewLease).Text(c.Name).Number(c.Epoch).Span(c.Lease);
                break;
            case ReleaseLease c:
                writer.Number((long)Kind.ReleaseLease).Text(c.Name).Number(c.Epoch);
                break;
            case RegisterMember c:
                writer.Number((long)Kind.RegisterMember).Text(c.Member).Bytes(c.Data).Span(c.Lease);
                break;
            case RenewMember c:
                writer.Number((long)Kind.RenewMember).Text(c.Member).Number(c.Epoch).Span(c.Lease);
                break;
            case RemoveMember c:
                writer.Number((long)Kind.RemoveMember).Text(c.Member).Number(c.Epoch);
                break;
            case MarkSeen c:
                writer.Number((long)Kind.MarkSeen).Text(c.Scope).Text(c.Key).Text(c.Owner).Span(c.Retention);
                break;
            case SetKey c:
                EncodeSet(c, writer.Number((long)Kind.SetKey));
                break;
            case Configure c:
                LedgerSnapshot.WriteOptions(c.Options, writer.Number((long)Kind.Configure));
                break;
            default:
                writer.Number((long)Kind.Tick);
                break;
        }
    }

    private static void EncodeSet(SetKey set, LedgerWriter writer)
    {
        writer.Text(set.Key).Flag(set.Value is not null);
        if (set.Value is { } value) writer.Bytes(value);
        switch (set.Expected)
        {
            case null:
                writer.Number(0);
                break;
            case KeyExpectation.OfVersion of:
                writer.Number(2).Number(of.Version);
                break;
            case KeyExpectation.OfValue of:
                writer.Number(3).Bytes(of.Value);
                break;
            default:
                writer.Number(1);
                break;
        }
    }

    private static Effect DecodeEffect(Kind kind, ref LedgerReader reader)
    {
        string principal = reader.Text();
        string key = reader.Text();
        return kind switch
        {
            Kind.Intend => new Intend(principal, key, reader.Hash(), reader.Flag(), reader.Span()),
            Kind.Start => new Start(principal, key, reader.Hash(), reader.Flag(), reader.Span(), reader.Text(), reader.Span()),
            Kind.Finish => new Finish(principal, key, reader.Number(), (EffectReport)reader.Number((int)EffectReport.NotRun), reader.Bytes(LedgerLimits.OutputBytesMax)),
            Kind.Renew => new Renew(principal, key, reader.Number(), reader.Span()),
            _ => new Resolve(principal, key, reader.Number(), (EffectVerdict)reader.Number((int)EffectVerdict.Abandon), reader.Text(), reader.Text(), reader.Bytes(LedgerLimits.OutputBytesMax)),
        };
    }

    private static LedgerCommand DecodeOther(Kind kind, ref LedgerReader reader) => kind switch
    {
        Kind.AcquireLease => new AcquireLease(reader.Text(), reader.Text(), reader.Span()),
        Kind.RenewLease => new RenewLease(reader.Text(), reader.Number(), reader.Span()),
        Kind.ReleaseLease => new ReleaseLease(reader.Text(), reader.Number()),
        Kind.RegisterMember => new RegisterMember(reader.Text(), reader.Bytes(LedgerLimits.MemberBytesMax), reader.Span()),
        Kind.RenewMember => new RenewMember(reader.Text(), reader.Number(), reader.Span()),
        Kind.RemoveMember => new RemoveMember(reader.Text(), reader.Number()),
        Kind.MarkSeen => new MarkSeen(reader.Text(), reader.Text(), reader.Text(), reader.Span()),
        Kind.SetKey => new SetKey(reader.Text(), reader.Flag() ? (ReadOnlyMemory<byte>?)reader.Bytes(LedgerLimits.ValueBytesMax) : null, DecodeExpectation(ref reader)),
        Kind.Tick => new Tick(),
        Kind.Configure => new Configure(LedgerSnapshot.ReadOptions(ref reader)),
        _ => throw new LedgerFormatException("a command is of an unknown kind"),
    };

    private static KeyExpectation? DecodeExpectation(ref LedgerReader reader) => reader.Number(3) switch
    {
        0 => null,
        1 => new KeyExpectation.Absent(),
        2 => new KeyExpectation.OfVersion(reader.Number()),
        _ => new KeyExpectation.OfValue(reader.Bytes(LedgerLimits.ValueBytesMax)),
    };
}
