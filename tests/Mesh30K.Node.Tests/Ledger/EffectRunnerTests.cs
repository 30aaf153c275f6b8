using System.Text;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Storage;
using Mesh30K.Node.Tests.Runtime;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Node.Tests.Ledger;

public sealed class EffectRunnerTests : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mesh-effects-");
    private readonly PacedClock _clock = new();
    private readonly FolderLedger _ledger;
    private int _executed;

    public EffectRunnerTests() => _ledger = FolderLedger.Open(_folder.FullName, new FolderLedgerOptions { Clock = _clock });

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Many_callers_at_once_execute_it_once_and_get_the_same()
    {
        EffectRunner runner = new(_ledger, new EffectRunOptions { WaitForOther = TimeSpan.FromSeconds(60) });
        EffectResult[] all = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => runner.RunAsync(Request("k"), DoneAsync, Cancel)));
        Assert.Equal(1, _executed);
        Assert.All(all, r => Assert.Equal((EffectEnding.Done, "done 1"), (r.Ending, Encoding.UTF8.GetString(r.Output.Span))));
        Assert.Single(all, r => !r.IsReplay);
    }

    [Fact]
    public async Task A_lease_is_renewed_while_the_effect_runs()
    {
        EffectRunner runner = new(_ledger, clock: _clock);
        EffectRequest request = Request("k") with { Lease = TimeSpan.FromSeconds(6) };
        EffectResult result = await runner.RunAsync(
            request,
            async (context, cancel) =>
            {
                DateTimeOffset from = _clock.GetUtcNow();
                LedgerEffect seen;
                do seen = await FindAsync("k");
                while (seen.LeaseUntil!.Value.ToDateTimeOffset() < from + TimeSpan.FromSeconds(7) && _clock.GetUtcNow() < from + TimeSpan.FromSeconds(20));
                return new EffectOutcome(EffectReport.Done, Encoding.UTF8.GetBytes(seen.LeaseUntil.Value.ToDateTimeOffset() >= from + TimeSpan.FromSeconds(7) ? "renewed" : "never renewed"));
            },
            Cancel);
        Assert.Equal("renewed", Encoding.UTF8.GetString(result.Output.Span));
    }

    /// <summary>The effect hears of it when another one was given it, and not before: while it is only in doubt, its own late report is what takes the doubt away.</summary>
    [Fact]
    public async Task An_effect_whose_lease_was_lost_is_told_when_it_is_anothers_and_not_before()
    {
        DeafLedger deaf = new(_ledger);
        EffectRequest request = Request("k") with { Lease = TimeSpan.FromSeconds(1) };
        TaskCompletionSource<EffectContext> begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<EffectResult> running = new EffectRunner(deaf, clock: _clock).RunAsync(
            request,
            async (context, _) =>
            {
                await using CancellationTokenRegistration hears = context.TakenOver.Register(() => told.TrySetResult());
                begun.SetResult(context);
                await told.Task.WaitAsync(Group.HostGroup.Generous, Cancel);
                return new EffectOutcome(null, default, "told to end");
            },
            Cancel);
        EffectContext mine = await begun.Task.WaitAsync(Group.HostGroup.Generous, Cancel);
        deaf.IsDeaf = true;
        await Group.HostGroup.UntilAsync(async () => (await FindAsync("k")).Status == EffectStatus.InDoubt, "the lease is over");
        deaf.IsDeaf = false;
        int refusals = deaf.Refusals;
        await Group.HostGroup.UntilAsync(() => Task.FromResult(deaf.Refusals >= refusals + 2), "it asked again, and heard that the effect is in doubt");
        Assert.False(mine.TakenOver.IsCancellationRequested);

        await _ledger.AskAsync(new LedgerCommand.Resolve("ana", "k", mine.Epoch, EffectVerdict.NotDone, "bob", "", default), Group.HostGroup.Generous, Cancel);
        EffectResult result = await running.WaitAsync(Group.HostGroup.Generous, Cancel);
        Assert.True(mine.TakenOver.IsCancellationRequested);
        Assert.Equal(EffectEnding.InDoubt, result.Ending);
        Assert.Contains("told to end", result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_an_effect_throws_leaves_it_in_doubt_and_it_does_not_run_again()
    {
        EffectRunner runner = new(_ledger);
        EffectResult result = await runner.RunAsync(Request("k"), (_, _) => throw new IOException("the line went dead"), Cancel);
        Assert.Equal(EffectEnding.InDoubt, result.Ending);
        Assert.Contains("the line went dead", result.Message, StringComparison.Ordinal);
        Assert.Equal(EffectEnding.InDoubt, (await runner.RunAsync(Request("k"), DoneAsync, Cancel)).Ending);
        Assert.Equal(0, _executed);
    }

    [Fact]
    public async Task Answers_that_get_lost_change_nothing()
    {
        EffectRunner runner = new(new LossyLedger(_ledger), new EffectRunOptions { PauseFirst = TimeSpan.FromMilliseconds(1) });
        for (int i = 0; i < 20; i++) Assert.Equal(EffectEnding.Done, (await runner.RunAsync(Request($"k{i}"), DoneAsync, Cancel)).Ending);
        Assert.Equal(20, _executed);
        for (int i = 0; i < 20; i++) Assert.Equal((EffectStatus.Done, 1), ((await FindAsync($"k{i}")).Status, (await FindAsync($"k{i}")).Attempts));
    }

    [Fact]
    public async Task Cancelled_before_it_began_it_is_given_back_and_afterwards_it_is_reported()
    {
        using CancellationTokenSource stop = new();
        EffectRunner runner = new(new CancellingLedger(_ledger, stop));
        await Assert.ThrowsAsync<OperationCanceledException>(() => runner.RunAsync(Request("k"), DoneAsync, stop.Token));
        Assert.Equal((0, EffectStatus.Intended), (_executed, (await FindAsync("k")).Status));

        using CancellationTokenSource later = new();
        EffectResult result = await new EffectRunner(_ledger).RunAsync(
            Request("k"),
            async (_, cancel) =>
            {
                await later.CancelAsync();
                return new EffectOutcome(EffectReport.Done, default, cancel.IsCancellationRequested ? "" : "not cancelled");
            },
            later.Token);
        Assert.Equal((EffectEnding.Done, ""), (result.Ending, result.Message));
    }

    /// <summary>The ledger's disk is full from the moment on at which the effect is executed: that it was, and what it brought, is told all the same.</summary>
    [Theory]
    [InlineData(false, EffectEnding.Unrecorded, "done 1")]
    [InlineData(true, EffectEnding.InDoubt, "")]
    public async Task A_ledger_that_cannot_be_used_any_more_takes_nothing_from_what_was_executed(bool throws, EffectEnding ending, string output)
    {
        FaultyDisk disk = new(new Random(1));
        await using FolderLedger ledger = FolderLedger.Open(Path.Combine(_folder.FullName, "full"), null, disk);
        EffectResult result = await new EffectRunner(ledger).RunAsync(
            Request("k"),
            async (context, cancel) =>
            {
                disk.Fail = call => call == "write" ? new IOException("no space left") : null;
                if (!throws) return await DoneAsync(context, cancel);
                await ledger.AskAsync(new LedgerCommand.Tick(), Group.HostGroup.Generous, cancel); // as a renewal would find it
                throw new IOException("the line went dead");
            },
            Cancel);
        Assert.Equal((ending, output), (result.Ending, Encoding.UTF8.GetString(result.Output.Span)));
        Assert.Contains(throws ? "the line went dead" : "no space left", result.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<JournalException>(() => new EffectRunner(ledger).RunAsync(Request("k2"), DoneAsync, Cancel)); // nothing ran
        Assert.Equal(throws ? 0 : 1, _executed);
    }

    public async ValueTask DisposeAsync()
    {
        await _ledger.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static EffectRequest Request(string key) => new("ana", key, PayloadHash.Of("r"u8), HonoursKey: false);

    private Task<EffectOutcome> DoneAsync(EffectContext context, CancellationToken cancel) =>
        Task.FromResult(new EffectOutcome(EffectReport.Done, Encoding.UTF8.GetBytes(FormattableString.Invariant($"done {Interlocked.Increment(ref _executed)}"))));

    private async Task<LedgerEffect> FindAsync(string key) =>
        (LedgerEffect)(await _ledger.ReadAsync(new LedgerQuery.Find(LedgerEntryKind.Effect, new LedgerKey("ana", key)), TimeSpan.FromSeconds(30), Cancel)).Items.Single();

    /// <summary>Of three answers it loses one, and of three commands it does not pass one on.</summary>
    private sealed class LossyLedger(ILedger inner) : ILedger
    {
        private int _asked;

        public async Task<LedgerAnswer> AskAsync(LedgerCommand command, TimeSpan deadline, CancellationToken cancel = default)
        {
            int at = _asked++ % 3;
            if (at == 0) return new LedgerAnswer(LedgerCertainty.NotTaken, null, "not passed on");
            LedgerAnswer answer = await inner.AskAsync(command, deadline, cancel);
            return at == 1 ? new LedgerAnswer(LedgerCertainty.Unknown, null, "lost") : answer;
        }

        public Task<LedgerPage<LedgerEntry>> ReadAsync(LedgerQuery query, TimeSpan deadline, CancellationToken cancel = default) => inner.ReadAsync(query, deadline, cancel);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>While it is deaf, no command reaches it.</summary>
    private sealed class DeafLedger(ILedger inner) : ILedger
    {
        private int _refusals;

        internal volatile bool IsDeaf;

        internal int Refusals => Volatile.Read(ref _refusals);

        public async Task<LedgerAnswer> AskAsync(LedgerCommand command, TimeSpan deadline, CancellationToken cancel = default)
        {
            if (IsDeaf) return new LedgerAnswer(LedgerCertainty.NotTaken, null, "deaf");
            LedgerAnswer answer = await inner.AskAsync(command, deadline, cancel);
            if (answer.Reply is { Outcome: LedgerOutcome.WrongState }) Interlocked.Increment(ref _refusals);
            return answer;
        }

        public Task<LedgerPage<LedgerEntry>> ReadAsync(LedgerQuery query, TimeSpan deadline, CancellationToken cancel = default) => inner.ReadAsync(query, deadline, cancel);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>The caller gives up while the first command is under way: it is taken all the same.</summary>
    private sealed class CancellingLedger(ILedger inner, CancellationTokenSource stop) : ILedger
    {
        public async Task<LedgerAnswer> AskAsync(LedgerCommand command, TimeSpan deadline, CancellationToken cancel = default)
        {
            LedgerAnswer answer = await inner.AskAsync(command, deadline, CancellationToken.None);
            if (stop.IsCancellationRequested) return answer;
            await stop.CancelAsync();
            throw new OperationCanceledException(stop.Token);
        }

        public Task<LedgerPage<LedgerEntry>> ReadAsync(LedgerQuery query, TimeSpan deadline, CancellationToken cancel = default) => inner.ReadAsync(query, deadline, cancel);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
