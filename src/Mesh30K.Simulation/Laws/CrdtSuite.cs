using System.Globalization;
using Mesh30K.Consistency.Eventual;

namespace Mesh30K.Simulation.Laws;

/// <summary>Random cases and the enumeration of one CRDT.</summary>
internal sealed class CrdtSuite<T>(LawSubject<T> subject) : ILawSuite
    where T : class, ICrdt<T>, new()
{
    private const int StepsMin = 4;
    private const int StepsSpread = 16;

    public string Type => subject.Type;

    public LawViolation? RunCase(ulong seed, long number, ref long steps)
    {
        LawRandom random = new(seed, number);
        bool careless = random.OneIn(4) && subject.HasDuty;
        int pick = random.Next(int.MaxValue);
        List<LawStep> history = [.. Enumerable.Range(0, StepsMin + random.Next(StepsSpread)).Select(_ => Draw(random))];
        steps += history.Count;
        if (Failure(history, careless, pick) is not { } broken) return null;
        for (int at = 0; at < history.Count;)
        {
            List<LawStep> shorter = [.. history.Take(at), .. history.Skip(at + 1)];
            if (Failure(shorter, careless, pick) is { } still)
            {
                (history, broken) = (shorter, still);
                at = 0;
            }
            else
            {
                at++;
            }
        }
        return new LawViolation(Type, broken.Law, seed, number, [.. history.Select(Describe)], broken.Message);
    }

    public EnumerationReport Enumerate(int depth) => new CrdtEnumeration<T>(subject).Run(depth);

    private BrokenLawException? Failure(List<LawStep> history, bool careless, int pick)
    {
        try
        {
            new CrdtCase<T>(subject, careless).Run(history, pick);
            return null;
        }
        catch (BrokenLawException broken)
        {
            return broken;
        }
        catch (Exception thrown)
        {
            return new BrokenLawException("nothing throws", BrokenLawException.Told(thrown));
        }
    }

    private LawStep Draw(LawRandom random)
    {
        LawStepKind kind = random.Next(16) switch
        {
            < 8 => LawStepKind.Local,
            < 11 => LawStepKind.Merge,
            < 12 => LawStepKind.Send,
            < 15 => LawStepKind.Deliver,
            _ => LawStepKind.Sync,
        };
        int other = kind == LawStepKind.Merge ? random.Next(CrdtLaws.Replicas) : random.Next(LawHistory.EventsMax);
        return new LawStep(kind, random.Next(CrdtLaws.Replicas), other, subject.Draw(random));
    }

    private string Describe(LawStep step)
    {
        string who = LawHistory.ReplicaOf(step.Replica).ToString();
        return step.Kind switch
        {
            LawStepKind.Local => $"{who}: {subject.Describe(step.Operation)}",
            LawStepKind.Merge => $"{who}: merge {LawHistory.ReplicaOf(step.Other)}",
            LawStepKind.Send => $"{who}: send the whole state as a message",
            LawStepKind.Deliver => string.Create(CultureInfo.InvariantCulture, $"{who}: merge message {step.Other} (modulo those sent so far, from 0)"),
            _ => "all merge all",
        };
    }
}
