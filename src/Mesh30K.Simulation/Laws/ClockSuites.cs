using System.Globalization;
using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Laws;

/// <summary>
/// The hybrid logical clock against a reference: with time as one number, millisecond · 65,536 + counter, an event is at
/// max(last + 1, received + 1, wall · 65,536).
/// </summary>
internal sealed class HlcSuite : ILawSuite
{
    private const long CountersPerMs = Hlc.CounterMax + 1;
    private const int StartMs = 1_000;

    public string Type => "hlc";

    public LawViolation? RunCase(ulong seed, long number, ref long steps)
    {
        LawRandom random = new(seed, number);
        List<string> done = [];
        int aheadMaxMs = random.Next(3) switch { 0 => 0, 1 => 7, _ => 300_000 };
        HlcClock clock = new(ReplicaId.Parse("a"), new HlcClockOptions { AheadMax = TimeSpan.FromMilliseconds(aheadMaxMs) }, new Hlc(StartMs, Counter(random), default));
        long wallMs = StartMs;
        try
        {
            for (int left = 4 + random.Next(16); left > 0; left--)
            {
                steps++;
                wallMs = Math.Max(0, wallMs + (random.Next(4) switch { 0 => random.Next(9), 1 => -random.Next(1_500), _ => 0 }));
                if (random.OneIn(2)) Tick(clock, wallMs, done);
                else Observe(clock, new Hlc(Math.Max(0, wallMs + random.Next(20) - 8), Counter(random), ReplicaId.Parse("b")), wallMs, aheadMaxMs, done);
            }
            return null;
        }
        catch (BrokenLawException broken)
        {
            return new LawViolation(Type, broken.Law, seed, number, done, broken.Message);
        }
        catch (Exception thrown)
        {
            return new LawViolation(Type, "nothing throws", seed, number, done, BrokenLawException.Told(thrown));
        }
    }

    public EnumerationReport? Enumerate(int depth) => null;

    private static void Tick(HlcClock clock, long wallMs, List<string> done)
    {
        Hlc before = clock.Last;
        Hlc given = clock.Tick(WallOf(wallMs));
        done.Add(string.Create(CultureInfo.InvariantCulture, $"at {before} tick with the wall at {wallMs} ms gives {given}"));
        LawChecks.Hold(given > before, "later than all before");
        LawChecks.Hold(given.Counter is >= 0 and <= Hlc.CounterMax && given == clock.Last, "a timestamp is in range");
        LawChecks.Hold(NumberOf(given) == Math.Max(NumberOf(before) + 1, wallMs * CountersPerMs), "as near to the wall clock as may be");
    }

    private static void Observe(HlcClock clock, Hlc remote, long wallMs, long aheadMaxMs, List<string> done)
    {
        Hlc before = clock.Last;
        HlcVerdict verdict = clock.Observe(remote, WallOf(wallMs));
        Hlc after = clock.Last;
        done.Add(string.Create(CultureInfo.InvariantCulture, $"at {before} observe {remote} with the wall at {wallMs} ms: {verdict}, {after}"));
        bool tooFar = remote.Ms > wallMs + aheadMaxMs;
        LawChecks.Hold(verdict == (tooFar ? HlcVerdict.TooFarAhead : HlcVerdict.Accepted), "refused when too far ahead, and only then");
        long wanted = tooFar ? NumberOf(before) : Math.Max(Math.Max(NumberOf(before), NumberOf(remote)) + 1, wallMs * CountersPerMs);
        LawChecks.Hold(after.Counter is >= 0 and <= Hlc.CounterMax && NumberOf(after) == wanted, "past what was accepted, unmoved by what was refused");
    }

    private static int Counter(LawRandom random) => random.OneIn(2) ? random.Next(3) : Hlc.CounterMax - random.Next(3);

    private static long NumberOf(Hlc stamp) => (stamp.Ms * CountersPerMs) + stamp.Counter;

    private static Instant WallOf(long ms) => new(ms * Instant.TicksPerMs);
}

/// <summary>Vector clocks against arrays of numbers: the join is the maximum of each, the order is ≤ of all.</summary>
internal sealed class VectorClockSuite : ILawSuite
{
    private static readonly ReplicaId[] Writers = [ReplicaId.None, ReplicaId.Parse("a"), ReplicaId.Parse("b"), ReplicaId.Parse("c.1")];

    public string Type => "vector-clock";

    public LawViolation? RunCase(ulong seed, long number, ref long steps)
    {
        LawRandom random = new(seed, number);
        steps += 3;
        int[][] numbers = [Draw(random), Draw(random), Draw(random)];
        try
        {
            Check(numbers);
            return null;
        }
        catch (BrokenLawException broken)
        {
            return new LawViolation(Type, broken.Law, seed, number, [.. numbers.Select(n => ClockOf(n).ToString())], broken.Message);
        }
        catch (Exception thrown)
        {
            return new LawViolation(Type, "nothing throws", seed, number, [.. numbers.Select(n => string.Join(',', n))], BrokenLawException.Told(thrown));
        }
    }

    public EnumerationReport? Enumerate(int depth) => null;

    private static void Check(int[][] numbers)
    {
        (VectorClock a, VectorClock b, VectorClock c) = (ClockOf(numbers[0]), ClockOf(numbers[1]), ClockOf(numbers[2]));
        VectorClock ab = a.Join(b);
        LawChecks.Hold(ab.Equals(ClockOf([.. numbers[0].Zip(numbers[1], Math.Max)])), "the join is the larger number of each writer", ab.ToString());
        LawChecks.Hold(ab.Equals(b.Join(a)), "commutative");
        LawChecks.Hold(ab.Join(c).Equals(a.Join(b.Join(c))), "associative");
        LawChecks.Hold(a.Join(a).Equals(a) && a.Join(VectorClock.Empty).Equals(a) && VectorClock.Empty.Join(a).Equals(a), "idempotent, with a neutral element");
        (bool before, bool after) = (ab.Equals(b), ab.Equals(a));
        CausalOrder wanted = (before, after) switch
        {
            (true, true) => CausalOrder.Equal,
            (true, false) => CausalOrder.Before,
            (false, true) => CausalOrder.After,
            _ => CausalOrder.Concurrent,
        };
        LawChecks.Hold(a.CompareTo(b) == wanted, "the order agrees with the join", $"{a} to {b}: {a.CompareTo(b)}");
        for (int i = 0; i < Writers.Length; i++)
        {
            LawChecks.Hold(a[Writers[i]] == numbers[0][i], "a number is what was put in");
            LawChecks.Hold(a.Contains(new Dot(numbers[1][i] + 1, Writers[i])) == (numbers[1][i] < numbers[0][i]), "contains what is not above its number");
        }
        LawChecks.Hold(VectorClock.TryParse(a.ToString(), out VectorClock read) && read.Equals(a), "reads what it writes", a.ToString());
    }

    private static int[] Draw(LawRandom random) => [.. Writers.Select(_ => random.OneIn(3) ? 0 : random.Next(4))];

    private static VectorClock ClockOf(int[] numbers)
    {
        VectorClock clock = VectorClock.Empty;
        for (int i = Writers.Length - 1; i >= 0; i--) clock = clock.With(new Dot(numbers[i], Writers[i]));
        return clock;
    }
}
