using Mesh30K.Consistency.Causal;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>What the fields of a command have to be like, whatever the state.</summary>
internal static class LedgerRules
{
    /// <summary>What is wrong with the fields; null when nothing is.</summary>
    public static LedgerReply? Refuse(LedgerCommand command) => command switch
    {
        Effect effect => Name("principal", effect.Principal) ?? Name("key", effect.Key) ?? RefuseEffect(effect),
        AcquireLease c => Name("lease", c.Name) ?? Name("holder", c.Holder) ?? Span("lease", c.Lease),
        RenewLease c => Name("lease", c.Name) ?? Epoch(c.Epoch, 1) ?? Span("lease", c.Lease),
        ReleaseLease c => Name("lease", c.Name) ?? Epoch(c.Epoch, 1),
        RegisterMember c => Name("member", c.Member) ?? Bytes("member's data", c.Data, LedgerLimits.MemberBytesMax) ?? Span("lease", c.Lease),
        RenewMember c => Name("member", c.Member) ?? Epoch(c.Epoch, 1) ?? Span("lease", c.Lease),
        RemoveMember c => Name("member", c.Member) ?? Epoch(c.Epoch, 1),
        MarkSeen c => Name("scope", c.Scope) ?? Name("key", c.Key) ?? Name("owner", c.Owner) ?? Span("retention", c.Retention),
        SetKey c => Name("key", c.Key) ?? Bytes("value", c.Value ?? default, LedgerLimits.ValueBytesMax) ?? RefuseExpectation(c.Expected),
        Tick => null,
        Configure c => RefuseOptions(c.Options),
        _ => throw new ArgumentException($"a command that this ledger does not know: {command.GetType().Name}", nameof(command)),
    };

    public static bool IsName(string name) => Name("name", name) is null;

    public static bool IsNote(string note) => Note(note) is null;

    public static LedgerReply TooLong(string what, TimeSpan span, TimeSpan most) => Invalid($"a {what} of {span}; at most {most}");

    private static LedgerReply? RefuseEffect(Effect command) => command switch
    {
        Intend c => Span("retention", c.Retention),
        Start c => Span("retention", c.Retention) ?? Name("executor", c.Executor) ?? Span("lease", c.Lease),
        Finish c => Epoch(c.Epoch, 1) ?? Defined(c.Report) ?? Output(c.Output, mayHave: c.Report != EffectReport.NotRun),
        Renew c => Epoch(c.Epoch, 1) ?? Span("lease", c.Lease),
        Resolve c => Epoch(c.Epoch, c.Verdict == EffectVerdict.Abandon ? 0 : 1) ?? Defined(c.Verdict) ?? Name("name of who decides", c.By) ?? Note(c.Note)
            ?? Output(c.Output, mayHave: c.Verdict == EffectVerdict.Done),
        _ => throw new ArgumentException($"a command that this ledger does not know: {command.GetType().Name}", nameof(command)),
    };

    private static LedgerReply? Name(string what, string name)
    {
        if (string.IsNullOrWhiteSpace(name)) return Invalid($"the {what} is blank");
        return Text(what, name, LedgerLimits.NameCharsMax);
    }

    private static LedgerReply? Note(string note) => Text("note", note, LedgerLimits.NoteCharsMax);

    private static LedgerReply? Text(string what, string text, int charsMax)
    {
        if (text.Length > charsMax) return Invalid($"the {what} has {text.Length} characters; at most {charsMax}");
        return ChannelFields.IsLine(text) ? null : Invalid($"the {what} has a line break, another control character or half a surrogate pair; one line of text, please");
    }

    private static LedgerReply? Span(string what, TimeSpan span) =>
        span > TimeSpan.Zero && span <= LedgerLimits.SpanMax ? null : Invalid($"a {what} of {span}; more than nothing, at most {LedgerLimits.SpanMax}");

    private static LedgerReply? Epoch(long epoch, long least) => epoch >= least ? null : Invalid($"the epoch {epoch}; epochs begin at {least}");

    private static LedgerReply? Bytes(string what, ReadOnlyMemory<byte> bytes, int most) =>
        bytes.Length <= most ? null : Invalid($"the {what} has {bytes.Length} bytes; at most {most}");

    private static LedgerReply? Output(ReadOnlyMemory<byte> output, bool mayHave)
    {
        if (!mayHave && output.Length > 0) return Invalid("an output of an effect that has none");
        return Bytes("output", output, LedgerLimits.OutputBytesMax);
    }

    private static LedgerReply? Defined<T>(T word)
        where T : struct, Enum => Enum.IsDefined(word) ? null : Invalid($"{word} is no {typeof(T).Name}");

    private static LedgerReply? RefuseExpectation(KeyExpectation? expected) => expected switch
    {
        KeyExpectation.OfVersion { Version: < 1 } old => Invalid($"the version {old.Version}; versions begin at 1"),
        KeyExpectation.OfValue of => Bytes("expected value", of.Value, LedgerLimits.ValueBytesMax),
        _ => null,
    };

    private static LedgerReply? RefuseOptions(LedgerOptions options)
    {
        long least = Math.Min(Math.Min(options.EffectsMax, options.LeasesMax), Math.Min(options.MembersMax, options.SeenMax));
        least = Math.Min(Math.Min(least, options.KeysMax), options.BytesMax);
        if (least < 0) return Invalid($"a bound of {least}; at least 0");
        return Span("longest retention", options.RetentionMax) ?? Span("longest lease", options.LeaseMax);
    }

    private static LedgerReply Invalid(string message) => new(LedgerOutcome.Invalid, null, message);
}
