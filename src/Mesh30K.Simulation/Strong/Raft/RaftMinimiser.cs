namespace Mesh30K.Simulation.Strong.Raft;

/// <summary>A failing seed with as few faults as were found to be enough.</summary>
/// <param name="Faults">The faults that are left, in the order of time; without any of them the seed was not seen to fail by the same rule.</param>
/// <param name="Report">Of the run with these alone.</param>
/// <param name="Runs">How many runs it took.</param>
/// <param name="Replay">The command that shows it.</param>
public sealed record RaftMinimised(IReadOnlyList<StruckFault> Faults, RaftRunReport Report, int Runs, string Replay);

/// <summary>Leaves out the faults of a failing seed that it fails without (delta debugging: Zeller and Hildebrandt 2002). Deterministic; stateless.</summary>
public static class RaftMinimiser
{
    /// <param name="failing">A run of a whole seed that failed.</param>
    /// <param name="runsMax">Runs at most; then the best so far is the answer.</param>
    /// <param name="stop">Ends it with an <see cref="OperationCanceledException"/>.</param>
    public static RaftMinimised Minimise(RaftRunReport failing, int runsMax, CancellationToken stop = default)
    {
        ArgumentNullException.ThrowIfNull(failing);
        ArgumentNullException.ThrowIfNull(failing.FailedRule);
        int[] left = [.. failing.Struck.Select(f => f.Number)];
        RaftRunReport best = failing;
        int runs = 0;
        for (int parts = 1; left.Length > 0 && parts <= left.Length && runs < runsMax;)
        {
            // First everything at once, then ever smaller parts.
            bool shrunk = false;
            int size = (left.Length + parts - 1) / parts;
            for (int from = 0; from < left.Length && runs < runsMax; from += size)
            {
                stop.ThrowIfCancellationRequested();
                int[] rest = [.. left[..from], .. left[Math.Min(from + size, left.Length)..]];
                runs++;
                RaftRunReport report = RaftSimulation.Run(failing.Seed, rest.ToHashSet());
                if (report.FailedRule != failing.FailedRule) continue;
                // What did not strike is not needed either.
                (left, best, shrunk) = ([.. report.Struck.Select(f => f.Number)], report, true);
                break;
            }
            if (!shrunk) parts = parts == left.Length ? parts + 1 : Math.Min(parts * 2, left.Length);
            else parts = Math.Clamp(parts - 1, 1, Math.Max(1, left.Length));
        }
        return new RaftMinimised(best.Struck, best, runs, RaftViolation.ReplayOf(failing.Seed, [.. best.Struck.Select(f => f.Number).Order()]));
    }
}
