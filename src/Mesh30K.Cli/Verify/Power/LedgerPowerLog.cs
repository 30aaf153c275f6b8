using System.Globalization;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>Entries as values of a ledger of one, each under a key of its own.</summary>
internal sealed class LedgerPowerLog : IPowerLog
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly FolderLedger _ledger;
    private readonly PowerEntries _entries;

    private LedgerPowerLog(FolderLedger ledger, PowerEntries entries) => (_ledger, _entries) = (ledger, entries);

    public long Count { get; private set; }

    public static async Task<LedgerPowerLog> OpenAsync(FolderLedger ledger, PowerEntries entries)
    {
        LedgerPowerLog log = new(ledger, entries);
        try
        {
            LedgerKey? after = null;
            do
            {
                LedgerPage<LedgerEntry> page = await ledger.ReadAsync(new LedgerQuery.List(LedgerEntryKind.Value, After: after), Deadline).ConfigureAwait(false);
                foreach (LedgerValue value in page.Items.Cast<LedgerValue>()) log.Check(value);
                after = page.Next;
            }
            while (after is not null);
            return log;
        }
        catch
        {
            await ledger.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async Task AppendAsync(long n)
    {
        LedgerAnswer answer = await _ledger.AskAsync(new LedgerCommand.SetKey(KeyOf(n), _entries.Payload(n), new KeyExpectation.Absent()), Deadline).ConfigureAwait(false);
        if (answer.Reply is not { Outcome: LedgerOutcome.Ok }) throw new IOException($"{KeyOf(n)}: {answer.Certainty} {answer.Reply?.Outcome}: {answer.Why}");
    }

    public ValueTask DisposeAsync() => _ledger.DisposeAsync();

    private void Check(LedgerValue value)
    {
        Count++;
        if (value.Id.Name != KeyOf(Count) || value.Version != Count || !value.Value.Span.SequenceEqual(_entries.Payload(Count)))
            throw new PowerLossException($"entry {Count} is not what was written: {value.Id.Name} of version {value.Version} is in its place");
    }

    private static string KeyOf(long n) => string.Create(CultureInfo.InvariantCulture, $"e{n:D9}");
}
