using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Documents;

/// <summary>Holds timestamps against the wall clock: one far ahead would win over everything until that time has come.</summary>
internal static class Stamps
{
    public static DocumentFailure? FindAhead(Hlc stamp, MergeOptions options, MergeSide side, int line)
    {
        if (options.Now is not Instant now || stamp.Wall - now <= options.AheadMax) return null;
        return new DocumentFailure("too_far_ahead", side, line, $"the timestamp {stamp} is ahead of the clock", "set the writer's clock, and the timestamp to the time of the change");
    }
}
