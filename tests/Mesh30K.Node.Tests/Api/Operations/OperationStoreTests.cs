using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Api.Operations;

public sealed class OperationStoreTests
{
    private static readonly Instant Start = Instant.FromUnixMs(1_700_000_000_000);

    [Fact]
    public void The_oldest_ended_operation_goes_first_and_one_in_progress_never()
    {
        OperationStore store = new(new OperationStoreOptions { OperationsMax = 3 });
        store.Submitted(1, Id(1), new OperationSpec { Payload = "\"large\"" }, Start);
        for (int n = 2; n <= 6; n++) store.Ended(Result(n));
        Assert.Equal([6, 5, 1], store.Newest(10).Select(o => o.Number));
        Assert.Equal((1, "null"), (store.Unfinished, store.Find(Id(1))!.Spec.Payload));
        Assert.Null(store.Find(Id(2)));
        Assert.Equal([5], store.Newest(1, before: 6).Select(o => o.Number));
    }

    [Fact]
    public void Details_of_the_oldest_are_dropped_when_they_take_too_much()
    {
        OperationStore store = new(new OperationStoreOptions { DetailBytesMax = 1_000 });
        for (int n = 1; n <= 3; n++) store.Ended(Result(n, answers: 1, answerChars: 400));
        Assert.Equal([true, false, false], store.Newest(3).Select(o => o.DetailsKept));
        Assert.Empty(store.Find(Id(1))!.Result!.Report.Answers);
        Assert.Equal(7, store.Find(Id(1))!.Result!.Report.Counts.Conflict);
    }

    [Fact]
    public void Changes_come_in_order_however_they_are_told()
    {
        OperationStore store = new();
        List<string> seen = [];
        store.OnChange = change => seen.Add($"{change.Number} {change.State}");
        store.Ended(Result(1));
        store.Submitted(1, Id(1), new OperationSpec(), Start);
        store.Started(new OperationStarted(1, Id(1), new OperationSpec(), Start, Start));
        store.Started(new OperationStarted(2, Id(2), new OperationSpec(), Start, Start));
        store.Submitted(2, Id(2), new OperationSpec(), Start);
        store.Ended(Result(2));
        store.Ended(Result(2));
        Assert.Equal(["1 Queued", "1 Ended", "2 Queued", "2 Running", "2 Ended"], seen);
        Assert.Equal(0, store.Unfinished);
    }

    [Fact]
    public void Conflicts_older_than_an_hour_do_not_count()
    {
        OperationStore store = new();
        store.Ended(Result(1, at: Start));
        store.Ended(Result(2, at: Start.PlusMs(30 * 60_000)));
        Assert.Equal(14, store.ConflictsOfLastHour(Start.PlusMs(30 * 60_000)));
        Assert.Equal(7, store.ConflictsOfLastHour(Start.PlusMs(61 * 60_000)));
        Assert.Equal(0, store.ConflictsOfLastHour(Start.PlusMs(200 * 60_000)));
    }

    private static MessageId Id(int n) => MessageId.From(1_700_000_000_000, (UInt128)n);

    private static OperationResult Result(int n, int answers = 0, int answerChars = 0, Instant? at = null) => new()
    {
        Number = n,
        OperationId = Id(n),
        Spec = new OperationSpec { Payload = "\"large\"" },
        Status = OperationStatus.Partial,
        Quorum = TrinaryQuorum.Decide(1, 7, 0, new QuorumThresholds()),
        Report = new GatherReport
        {
            Counts = new GatherCounts { Ready = 1, Conflict = 7 },
            Answers = [.. Enumerable.Range(0, answers).Select(i => new AgentAnswer(new AgentId($"a{i}"), new string('x', answerChars)))],
        },
        Phases = [],
        SubmittedAt = Start,
        EndedAt = at ?? Start,
        Target = Start,
    };
}
