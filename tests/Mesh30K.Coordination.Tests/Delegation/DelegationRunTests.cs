using Mesh30K.Coordination.Delegation;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Delegation;

public sealed class DelegationRunTests
{
    private static readonly Instant Start = Instant.FromUnixMs(1_000_000);

    private static DelegationCandidate[] Candidates(int count) => [.. Enumerable.Range(0, count).Select(i => new DelegationCandidate(new AgentId($"a{i}"), 100, 300 + i))];

    /// <summary>Drives a run; each input is a line with what it made happen.</summary>
    private sealed class Script(DelegationRun run)
    {
        private readonly List<string> _lines = [];
        private readonly List<DelegationEffect> _effects = [];

        public Script Input(double ms, string name, Action<Instant> step)
        {
            step(Start.PlusMs(ms));
            string effects = string.Join(", ", _effects.Select(e => e.Kind switch
            {
                DelegationEffectKind.SetTimer => $"timer {e.At.MsSince(Start)}",
                DelegationEffectKind.Complete => $"complete {run.Ended}",
                _ => $"{e.Kind} a{e.Candidate}",
            }));
            _lines.Add($"{ms} {name}: {effects}");
            _effects.Clear();
            return this;
        }

        public Script Begin() => Input(0, "start", now => run.Start(now, _effects));

        public Script Ready(double ms, int i) => Input(ms, $"a{i} ready", _ => run.Ready(i, _effects));

        public Script Conflict(double ms, int i) => Input(ms, $"a{i} conflict", _ => run.Failed(i, refused: false, _effects));

        public Script Refused(double ms, int i) => Input(ms, $"a{i} refused", _ => run.Failed(i, refused: true, _effects));

        public Script Timer(double ms) => Input(ms, "timer", now => run.TimerFired(now, _effects));

        public override string ToString() => string.Join('\n', _lines) + "\n" + string.Join(' ', run.Outcomes);
    }

    [Fact]
    public void The_best_is_asked_and_does_it() => Assert.Equal(
        """
        0 start: timer 1000, Ask a0
        90 a0 ready: complete Done
        Done NotAsked
        """,
        new Script(new DelegationRun(Candidates(2), 1_000, hedge: false)).Begin().Ready(90, 0).ToString());

    [Fact]
    public void A_conflict_and_a_refusal_go_to_the_next_at_once() => Assert.Equal(
        """
        0 start: timer 1000, Ask a0
        10 a0 refused: Ask a1
        50 a1 conflict: Ask a2
        60 a1 ready: 
        90 a2 ready: complete Done
        91 a2 ready: 
        Refused Conflict Done
        """,
        new Script(new DelegationRun(Candidates(3), 1_000, hedge: false)).Begin().Refused(10, 0).Conflict(50, 1).Ready(60, 1).Ready(90, 2).Ready(91, 2).ToString());

    [Fact]
    public void When_nobody_is_left_it_ends_and_says_so() => Assert.Equal(
        """
        0 start: timer 1000, Ask a0
        10 a0 conflict: Ask a1
        20 a1 conflict: complete NobodyCould
        1000 timer: 
        Conflict Conflict
        """,
        new Script(new DelegationRun(Candidates(2), 1_000, hedge: false)).Begin().Conflict(10, 0).Conflict(20, 1).Timer(1_000).ToString());

    [Fact]
    public void With_a_hedge_the_second_is_asked_after_the_firsts_p95_and_the_loser_is_cancelled() => Assert.Equal(
        """
        0 start: timer 1000, Ask a0, timer 300
        300 timer: Ask a1
        400 timer: 
        450 a1 ready: Cancel a0, complete Done
        460 a0 ready: 
        Cancelled Done NotAsked
        """,
        new Script(new DelegationRun(Candidates(3), 1_000, hedge: true)).Begin().Timer(300).Timer(400).Ready(450, 1).Ready(460, 0).ToString());

    [Fact]
    public void A_hedge_whose_first_has_failed_already_asks_nobody_more() => Assert.Equal(
        """
        0 start: timer 1000, Ask a0, timer 300
        100 a0 conflict: Ask a1
        300 timer: 
        Conflict Asked NotAsked
        """,
        new Script(new DelegationRun(Candidates(3), 1_000, hedge: true)).Begin().Conflict(100, 0).Timer(300).ToString());

    [Fact]
    public void At_the_timeout_all_are_cancelled() => Assert.Equal(
        """
        0 start: timer 1000, Ask a0, timer 300
        300 timer: Ask a1
        1000 timer: Cancel a0, Cancel a1, complete TimedOut
        1001 a1 ready: 
        TimedOut TimedOut
        """,
        new Script(new DelegationRun(Candidates(2), 1_000, hedge: true)).Begin().Timer(300).Timer(1_000).Ready(1_001, 1).ToString());

    [Fact]
    public void Nobody_to_ask_ends_at_once() =>
        Assert.Equal("0 start: complete NobodyCould\n", new Script(new DelegationRun([], 1_000, hedge: true)).Begin().ToString());

    [Fact]
    public void Whatever_happens_it_completes_once_with_at_most_one_winner_and_all_who_were_asked_are_settled()
    {
        for (int seed = 1; seed <= 5_000; seed++)
        {
            Random random = new(seed);
            int n = random.Next(0, 6);
            DelegationRun run = new(Candidates(n), 1_000, random.Next(2) == 0);
            List<DelegationEffect> all = [], effects = [];
            PriorityQueue<Action<Instant>, (double, int)> future = new();
            HashSet<int> answered = [];
            double completedAt = -1;
            int order = 0;
            void Carry(double ms)
            {
                foreach (DelegationEffect e in effects.ToArray())
                {
                    Assert.True(completedAt < 0, $"replay: seed {seed}: {e.Kind} after the end");
                    if (e.Kind == DelegationEffectKind.Complete) completedAt = ms;
                    if (e.Kind == DelegationEffectKind.SetTimer) future.Enqueue(now => run.TimerFired(now, effects), (e.At.MsSince(Start), order++));
                    for (int copies = e.Kind == DelegationEffectKind.Ask ? random.Next(3) : 0; copies > 0; copies--)
                    {
                        int outcome = random.Next(3);
                        future.Enqueue(now =>
                        {
                            if (completedAt < 0) answered.Add(e.Candidate);
                            if (outcome == 0) run.Ready(e.Candidate, effects);
                            else run.Failed(e.Candidate, outcome == 1, effects);
                        }, (ms + random.Next(1_500), order++));
                    }
                }
                all.AddRange(effects);
                effects.Clear();
            }
            run.Start(Start, effects);
            Carry(0);
            while (future.TryDequeue(out Action<Instant>? step, out (double Ms, int) at))
            {
                step(Start.PlusMs(at.Ms));
                Carry(at.Ms);
            }
            string replay = $"replay: seed {seed}";
            Assert.True(completedAt is >= 0 and <= 1_000, replay);
            Assert.True(run.Outcomes.Count(o => o == CandidateOutcome.Done) == (run.Ended == DelegationOutcome.Done ? 1 : 0), replay);
            Assert.DoesNotContain(CandidateOutcome.Asked, run.Outcomes);
            int[] asked = [.. all.Where(e => e.Kind == DelegationEffectKind.Ask).Select(e => e.Candidate)];
            int[] cancelled = [.. all.Where(e => e.Kind == DelegationEffectKind.Cancel).Select(e => e.Candidate)];
            Assert.True(asked.SequenceEqual(Enumerable.Range(0, asked.Length)), replay);
            Assert.True(asked.All(i => answered.Contains(i) != cancelled.Contains(i)), replay);
        }
    }
}
