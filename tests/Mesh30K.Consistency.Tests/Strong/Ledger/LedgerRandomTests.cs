using System.Globalization;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Protocol.Identity;
using static Mesh30K.Consistency.Strong.Ledger.LedgerCommand;
using static Mesh30K.Consistency.Tests.Strong.Ledger.LedgerRun;

namespace Mesh30K.Consistency.Tests.Strong.Ledger;

/// <summary>
/// Random commands with log time that moves, stands and lags, against <see cref="LedgerModel"/>; a second replica is fed bytes and restored from snapshots in between.
/// <c>MESH_LEDGER_SEED=n</c> replays one seed, <c>MESH_LEDGER_RUNS=n</c> sets how many there are.
/// </summary>
public sealed class LedgerRandomTests
{
    [Fact]
    public void A_ledger_does_what_the_naive_model_does_and_two_replicas_are_the_same_bytes()
    {
        int[] seeds = int.TryParse(Environment.GetEnvironmentVariable("MESH_LEDGER_SEED"), CultureInfo.InvariantCulture, out int one) ? [one]
            : [.. Enumerable.Range(1, int.TryParse(Environment.GetEnvironmentVariable("MESH_LEDGER_RUNS"), CultureInfo.InvariantCulture, out int runs) ? runs : 200)];
        HashSet<string> seen = [];
        foreach (int seed in seeds)
        {
            Run run = new(seed, seen);
            try
            {
                run.All();
            }
            catch (Exception e)
            {
                Assert.Fail($"replay: MESH_LEDGER_SEED={seed}\n{run.Transcript()}\n{e}");
            }
        }
        string[] never = [.. Enum.GetNames<LedgerOutcome>().Concat(Enum.GetNames<EffectStatus>()).Where(o => !seen.Contains(o))];
        if (seeds.Length >= 200 && never.Length > 0) Assert.Fail($"never came up: {string.Join(", ", never)}");
    }

    private sealed class Run(int seed, HashSet<string> seen)
    {
        private static readonly string[] Names = ["a", "b", "c"];
        private readonly Random _random = new(seed);
        private readonly List<string> _lines = [];
        private Instant _now = new(10_000_000_000);

        public string Transcript() => string.Join('\n', _lines.TakeLast(40));

        public void All()
        {
            LedgerMachine machine = new();
            LedgerMachine replica = new();
            LedgerModel model = new();
            int steps = 50 + _random.Next(250);
            for (int step = 0; step < steps; step++)
            {
                _now += TimeSpan.FromSeconds(_random.Next(20) switch { 0 => 300, 1 => -20, < 12 => 0, _ => _random.Next(10) });
                LedgerCommand command = step == 0 && seed % 3 == 0 ? Bounds() : Next();
                Instant? due = machine.NextDue;
                LedgerReply reply = machine.Apply(command, _now);
                _lines.Add($"t={_now.Ticks / 10_000_000}s {command} → {reply.Outcome} {reply.Message}");
                Assert.Equal(model.Apply(command, _now), reply.Outcome);
                Assert.Equal(reply.Outcome == LedgerOutcome.Ok, reply.Message.Length == 0);
                Assert.Equal(reply.Outcome, replica.Apply(Entry(command, _now)).Outcome);
                Assert.Equal(model.Dump(), Dump(machine));
                Assert.True(due is null || machine.NextDue is null || machine.NextDue > machine.Now, "something due did not happen");
                seen.Add(reply.Outcome.ToString());
                if (reply.Entry is LedgerEffect effect) seen.Add(effect.Status.ToString());
                if (_random.Next(10) != 0) continue;
                byte[] bytes = Snapshot(machine);
                Assert.Equal(bytes, Snapshot(replica));
                replica = LedgerMachine.Restore(bytes);
                Assert.Equal((machine.NextDue, machine.Bytes, machine.Counts, machine.Options), (replica.NextDue, replica.Bytes, replica.Counts, replica.Options));
            }
            Assert.Equal(Snapshot(machine), Snapshot(replica));
        }

        private LedgerCommand Bounds() => new Configure(new LedgerOptions
        {
            EffectsMax = 4,
            LeasesMax = 2,
            MembersMax = 2,
            SeenMax = 4,
            KeysMax = 2,
            BytesMax = _random.Next(2) == 0 ? 140_000 : 1 << 20,
            RetentionMax = TimeSpan.FromSeconds(100),
            LeaseMax = TimeSpan.FromSeconds(50),
        });

        private LedgerCommand Next() => _random.Next(24) switch
        {
            0 or 1 => new Intend(Name(), Name(), Hash(Few()), _random.Next(3) == 0, Span(120)),
            < 7 => new Start(Name(), Name(), Hash(Few()), _random.Next(3) == 0, Span(120), Name(), Span(60)),
            < 11 => new Finish(Name(), Name(), Epoch(), EffectReport.Done + _random.Next(2), Utf8(Few())),
            11 => new Finish(Name(), Name(), Epoch(), EffectReport.NotRun, default),
            12 => new Renew(Name(), Name(), Epoch(), Span(60)),
            13 => new Resolve(Name(), Name(), Epoch(), EffectVerdict.Done, Name(), "", Utf8(Few())),
            14 => new Resolve(Name(), Name(), Epoch(), EffectVerdict.NotDone + _random.Next(2), Name(), Few(), default),
            15 => new AcquireLease(Name(), Name(), Span(60)),
            16 => _random.Next(2) == 0 ? new RenewLease(Name(), Epoch(), Span(60)) : new ReleaseLease(Name(), Epoch()),
            17 => new RegisterMember(Name(), Utf8(Few()), Span(60)),
            18 => _random.Next(2) == 0 ? new RenewMember(Name(), Epoch(), Span(60)) : new RemoveMember(Name(), Epoch()),
            19 => new MarkSeen(Name(), Name(), Name(), Span(120)),
            < 23 => new SetKey(Name(), _random.Next(5) == 0 ? null : Utf8(Few()), Expectation()),
            _ => new Tick(),
        };

        private KeyExpectation? Expectation() => _random.Next(4) switch
        {
            0 => null,
            1 => new KeyExpectation.Absent(),
            2 => new KeyExpectation.OfVersion(1 + _random.Next(12)),
            _ => new KeyExpectation.OfValue(Utf8(Few())),
        };

        private string Name() => Names[_random.Next(Names.Length)];

        private string Few() => _random.Next(8) == 0 ? "q" : "p";

        private TimeSpan Span(int seconds) => TimeSpan.FromSeconds(1 + _random.Next(seconds));

        /// <summary>Mostly one that was given lately.</summary>
        private long Epoch() => Math.Max(1, _epochLast - _random.Next(_random.Next(4) == 0 ? 12 : 4));

        private long _epochLast;

        private string Dump(LedgerMachine m)
        {
            LedgerEffect[] effects = [.. m.ListEffects().Items];
            LedgerLease[] leases = [.. m.ListLeases().Items];
            LedgerMember[] members = [.. m.ListMembers().Items];
            LedgerValue[] values = [.. m.ListValues().Items];
            _epochLast = effects.Select(e => e.Epoch).Concat(leases.Select(l => l.Epoch)).Concat(members.Select(e => e.Epoch)).Append(_epochLast).Max();
            _versionLast = values.Select(v => v.Version).Append(_versionLast).Max();
            return string.Join('\n', (string[])
            [
                $"{m.Now} {_epochLast} {_versionLast} {m.Bytes}",
                .. effects.Select(e => $"{e.Id} {e.Status} {e.Request} {e.HonoursKey} {e.Retention} {e.IntendedAt} {e.Since} {e.Epoch} {e.Attempts} {e.Executor} {e.LeaseUntil} {Text(e.Output)} {e.ResolvedBy} {e.Note}"),
                .. leases.Select(l => $"L /{l.Id.Name} {l.Holder} {l.Epoch} {l.AcquiredAt} {l.Until}"),
                .. members.Select(e => $"M /{e.Id.Name} {Text(e.Data)} {e.Epoch} {e.JoinedAt} {e.Until}"),
                .. m.ListSeen().Items.Select(s => $"S {s.Id} {s.Owner} 0 {s.SeenAt} {s.Until}"),
                .. values.Select(v => $"V /{v.Id.Name} {Text(v.Value)} {v.Version} {default(Instant)} "),
            ]);
        }

        private long _versionLast;

        private static string Text(ReadOnlyMemory<byte> bytes) => System.Text.Encoding.UTF8.GetString(bytes.Span);
    }
}
