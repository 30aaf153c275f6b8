using Mesh30K.Protocol.Json;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>
/// Something to do with the ledger. A name (principal, key, executor, holder, member…) is one line of 1 to <see cref="LedgerLimits.NameCharsMax"/> characters.
/// Bytes that are given stay with the ledger: the caller does not change them afterwards. Each command but a <see cref="SetKey"/> can be repeated
/// when its reply was lost.
/// </summary>
public abstract record LedgerCommand
{
    private protected LedgerCommand()
    {
    }

    /// <summary>A command about one effect.</summary>
    /// <param name="Principal">In whose name it is done: the same key of two principals is two effects.</param>
    /// <param name="Key">The idempotency key.</param>
    public abstract record Effect(string Principal, string Key) : LedgerCommand;

    /// <summary>Records that an effect is to be done; nobody executes it yet. Known already: its record is the reply, and nothing changes.</summary>
    /// <param name="Request">The SHA-256 of what is to be done. The same key with another one is <see cref="LedgerOutcome.OtherRequest"/>.</param>
    /// <param name="HonoursKey">Whether whoever receives the effect drops a second one with the same key, so that it may be sent again after a crash.</param>
    /// <param name="Retention">For how long, by log time, the record is kept after the effect has ended. Then its key is new again.</param>
    public sealed record Intend(string Principal, string Key, PayloadHash Request, bool HonoursKey, TimeSpan Retention) : Effect(Principal, Key);

    /// <summary>
    /// Takes an effect for execution, and records it when it is new. <see cref="LedgerOutcome.Ok"/>: this executor is to do it now, under the epoch of the reply;
    /// any other outcome: it is not.
    /// </summary>
    /// <param name="Executor">Who does it: a name of its own for each attempt, since a repetition under the same name is given the same epoch.</param>
    /// <param name="Lease">When the executor has not reported for so long, it counts as crashed.</param>
    public sealed record Start(string Principal, string Key, PayloadHash Request, bool HonoursKey, TimeSpan Retention, string Executor, TimeSpan Lease) : Effect(Principal, Key);

    /// <summary>
    /// The executor's report. It counts under the last epoch as long as the effect is open: also after the lease has ended, which takes the doubt away, and after a
    /// person has said that it was not done while nobody has started it again.
    /// </summary>
    /// <param name="Output">What is replayed to whoever repeats the request; at most <see cref="LedgerLimits.OutputBytesMax"/>. Empty for <see cref="EffectReport.NotRun"/>.</param>
    public sealed record Finish(string Principal, string Key, long Epoch, EffectReport Report, ReadOnlyMemory<byte> Output) : Effect(Principal, Key);

    /// <summary>Holds an effect that is executed until <paramref name="Lease"/> from now, whatever was left.</summary>
    public sealed record Renew(string Principal, string Key, long Epoch, TimeSpan Lease) : Effect(Principal, Key);

    /// <summary>A person's decision on an effect in doubt; <see cref="EffectVerdict.Abandon"/> also on one that waits.</summary>
    /// <param name="Epoch">The epoch that is in doubt: a repeated decision does not decide a later doubt.</param>
    /// <param name="By">Who decides.</param>
    /// <param name="Note">Why; at most <see cref="LedgerLimits.NoteCharsMax"/> characters, may be empty.</param>
    /// <param name="Output">For <see cref="EffectVerdict.Done"/>: what is replayed. Else empty.</param>
    public sealed record Resolve(string Principal, string Key, long Epoch, EffectVerdict Verdict, string By, string Note, ReadOnlyMemory<byte> Output) : Effect(Principal, Key);

    /// <summary>Takes a lease that is free. Whoever holds it already keeps its epoch and holds it until <paramref name="Lease"/> from now: holders need names of their own.</summary>
    public sealed record AcquireLease(string Name, string Holder, TimeSpan Lease) : LedgerCommand;

    /// <summary>Holds a lease until <paramref name="Lease"/> from now, whatever was left.</summary>
    public sealed record RenewLease(string Name, long Epoch, TimeSpan Lease) : LedgerCommand;

    /// <summary>Gives a lease back.</summary>
    public sealed record ReleaseLease(string Name, long Epoch) : LedgerCommand;

    /// <summary>Enters a member, or a new life of one that is there: its epoch is a new one, and what the old life says is fenced.</summary>
    /// <param name="Data">What others have to know of it, such as its address; at most <see cref="LedgerLimits.MemberBytesMax"/>.</param>
    public sealed record RegisterMember(string Member, ReadOnlyMemory<byte> Data, TimeSpan Lease) : LedgerCommand;

    /// <summary>The member is alive: it stays until <paramref name="Lease"/> from now.</summary>
    public sealed record RenewMember(string Member, long Epoch, TimeSpan Lease) : LedgerCommand;

    /// <summary>The member leaves.</summary>
    public sealed record RemoveMember(string Member, long Epoch) : LedgerCommand;

    /// <summary>Asks whether a task is new: <see cref="LedgerOutcome.Ok"/> for the first owner that names its key, and for its repetitions, else <see cref="LedgerOutcome.Seen"/>.</summary>
    /// <param name="Scope">What the key is unique in, such as a channel.</param>
    /// <param name="Retention">For how long, by log time, the key is remembered.</param>
    public sealed record MarkSeen(string Scope, string Key, string Owner, TimeSpan Retention) : LedgerCommand;

    /// <summary>Sets a value, or removes it. Not repeatable: after a lost reply a client that did not compare versions does not know who wrote.</summary>
    /// <param name="Value">At most <see cref="LedgerLimits.ValueBytesMax"/>; null removes the key.</param>
    /// <param name="Expected">What has to be there before; null: anything.</param>
    public sealed record SetKey(string Key, ReadOnlyMemory<byte>? Value, KeyExpectation? Expected) : LedgerCommand;

    /// <summary>Only moves the ledger's time forward, so that what is due happens.</summary>
    public sealed record Tick : LedgerCommand;

    /// <summary>Changes the bounds. They are replicated as everything else, so that all replicas refuse the same. What is beyond a new bound stays.</summary>
    public sealed record Configure(LedgerOptions Options) : LedgerCommand;
}

/// <summary>What an executor has to say of an effect.</summary>
public enum EffectReport
{
    /// <summary>It took place; the output is its result.</summary>
    Done,

    /// <summary>It surely did not take place, and is not to be tried again; the output is the reason.</summary>
    Failed,

    /// <summary>It surely did not take place, and may be started again.</summary>
    NotRun,
}

/// <summary>What a person decides on an effect.</summary>
public enum EffectVerdict
{
    /// <summary>It took place.</summary>
    Done,

    /// <summary>It did not take place, and may run again.</summary>
    NotDone,

    /// <summary>Whether or not it took place, it does not run again.</summary>
    Abandon,
}

/// <summary>What a key has to hold for a <see cref="LedgerCommand.SetKey"/> to be done.</summary>
public abstract record KeyExpectation
{
    private KeyExpectation()
    {
    }

    /// <summary>The key has no value.</summary>
    public sealed record Absent : KeyExpectation;

    /// <summary>The key's value is of this version, from 1: no other write came between.</summary>
    public sealed record OfVersion(long Version) : KeyExpectation;

    /// <summary>The key has this value, whoever wrote it.</summary>
    public sealed record OfValue(ReadOnlyMemory<byte> Value) : KeyExpectation;
}
