using System.Globalization;
using System.Text;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Simulation.Frames;

/// <summary>A frame that was judged wrong.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Case">The case's number, from 0.</param>
/// <param name="Way">How the frame was changed.</param>
/// <param name="Detail">What happened, and what should have.</param>
public sealed record FrameViolation(ulong Seed, long Case, string Way, string Detail)
{
    /// <summary>The command that shows it again.</summary>
    public string Replay => string.Create(CultureInfo.InvariantCulture, $"mesh verify frames --seed {Seed} --case {Case}");
}

/// <summary>What a run found.</summary>
/// <param name="Cases">Frames that had to be refused.</param>
/// <param name="Refused">How many were, by the wire's word.</param>
/// <param name="AcceptedValid">Good frames in between that were accepted.</param>
/// <param name="Violations">At most <see cref="FrameFuzz.ViolationsMax"/>.</param>
public sealed record FrameFuzzReport(long Cases, IReadOnlyDictionary<string, long> Refused, long AcceptedValid, IReadOnlyList<FrameViolation> Violations);

/// <summary>
/// Sends changed, forged and replayed frames through gates and demands that each is refused, with the right word where only one is right, and that the good frame it was made from is accepted right after.
/// Deterministic from the seed: cases belong to sessions of <see cref="CasesPerSession"/>, which do not depend on each other, so sessions run side by side.
/// </summary>
public static class FrameFuzz
{
    /// <summary>Cases of one session.</summary>
    public const int CasesPerSession = 64;

    /// <summary>Violations after which a run ends.</summary>
    public const int ViolationsMax = 10;

    /// <summary>Runs cases.</summary>
    /// <param name="first">The first case's number; those before it in its session are run too, since it depends on them, and not counted.</param>
    /// <param name="cases">How many.</param>
    /// <param name="seed">The same seed gives the same cases.</param>
    /// <param name="workers">Sessions that run at once, at least 1; the result does not depend on it.</param>
    /// <param name="progress">Told now and then how many are done, on any thread.</param>
    /// <param name="stop">Ends the run by an exception.</param>
    public static FrameFuzzReport Run(long first, long cases, ulong seed, int workers, Action<long>? progress, CancellationToken stop)
    {
        using FuzzWorld world = new(seed);
        VerifiedRoots roots = new();
        Lock gate = new();
        long[] refused = new long[Enum.GetValues<FrameRefusal>().Length];
        List<FrameViolation> violations = [];
        long accepted = 0, done = 0;
        ParallelOptions options = new() { CancellationToken = stop, MaxDegreeOfParallelism = workers };
        _ = Parallel.For(first / CasesPerSession, ((first + cases - 1) / CasesPerSession) + 1, options, (session, state) =>
        {
            SessionRun run = new(world, seed, session, roots);
            run.Run(first, first + cases);
            lock (gate)
            {
                for (int i = 0; i < refused.Length; i++) refused[i] += run.Refused[i];
                accepted += run.Accepted;
                done += run.Cases;
                violations.AddRange(run.Violations);
                if (violations.Count >= ViolationsMax) state.Stop();
                progress?.Invoke(done);
            }
        });
        Dictionary<string, long> words = new(StringComparer.Ordinal);
        foreach (FrameRefusal refusal in Enum.GetValues<FrameRefusal>())
            if (refusal != FrameRefusal.None) words[refusal.Word()] = refused[(int)refusal];
        return new FrameFuzzReport(done, words, accepted, [.. violations.OrderBy(v => v.Case).Take(ViolationsMax)]);
    }

    /// <summary>Random numbers of one session (−1: of the keys).</summary>
    internal static Random RandomOf(ulong seed, long session)
    {
        // SplitMix64's finaliser, so that neighbouring sessions have nothing in common.
        ulong z = seed + ((ulong)(session + 2) * 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return new Random((int)(z ^ (z >> 31)));
    }

    private sealed class SessionRun(FuzzWorld world, ulong seed, long session, VerifiedRoots roots)
    {
        internal readonly long[] Refused = new long[Enum.GetValues<FrameRefusal>().Length];
        internal readonly List<FrameViolation> Violations = [];

        internal long Accepted { get; private set; }

        internal long Cases { get; private set; }

        internal void Run(long from, long to)
        {
            Random random = RandomOf(seed, session);
            FuzzSession live = new(world, random, random.Next(2) == 0 ? roots : null);
            for (long number = session * CasesPerSession; number < Math.Min(to, (session + 1) * CasesPerSession); number++)
            {
                bool counts = number >= from;
                if (One(live, number, counts) is not { } violation) continue;
                if (counts) Violations.Add(violation);
                // What comes after depends on a gate that cannot be trusted any more.
                return;
            }
        }

        private FrameViolation? One(FuzzSession live, long number, bool counts)
        {
            byte[] good = live.Next();
            string way = "";
            try
            {
                Mutation mutation = Choose(live, good, out way);
                OpenedFrame opened = live.Gate.Open(mutation.Bytes, live.Now);
                if (opened.Refusal == FrameRefusal.None) return Violation("was accepted", mutation.Bytes);
                if (opened.Why is null || opened.Messages.Count > 0 || opened.Header is not null) return Violation("was refused, and carries something of it", mutation.Bytes);
                if (mutation.Expected is { } expected && expected != opened.Refusal) return Violation($"was refused as {opened.Refusal.Word()}, not {expected.Word()}", mutation.Bytes);
                OpenedFrame intact = live.Gate.Open(good, live.Now);
                if (intact.Refusal != FrameRefusal.None) return Violation($"made the gate refuse the good frame after it as {intact.Refusal.Word()}: {intact.Why}", good);
                live.Accept(good);
                if (!counts) return null;
                Cases++;
                Accepted++;
                Refused[(int)opened.Refusal]++;
                return null;
            }
            catch (FuzzViolationException e)
            {
                return Violation(e.Message, good);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                return Violation($"threw {e.GetType().Name}: {e.Message}", good);
            }

            FrameViolation Violation(string what, byte[] frame) => new(seed, number, way, what + ": " + Shown(frame));
        }

        private static Mutation Choose(FuzzSession live, byte[] good, out string way)
        {
            while (true)
            {
                (way, FrameMutations.Way make) = FrameMutations.All[live.Random.Next(FrameMutations.All.Length)];
                if (make(live, good, RawFrame.Parse(good)) is { } mutation) return mutation;
            }
        }

        private static string Shown(byte[] frame)
        {
            const int shownMax = 2000;
            return Encoding.UTF8.GetString(frame.AsSpan(0, Math.Min(frame.Length, shownMax))).ReplaceLineEndings("\\n");
        }
    }
}
