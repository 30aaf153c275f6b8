using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Api.Operations;

/// <summary>Where an operation stands.</summary>
public enum StoredState : byte
{
    /// <summary>Accepted; waits for a place among those in progress.</summary>
    Queued,

    /// <summary>In progress.</summary>
    Running,

    /// <summary>Has its result.</summary>
    Ended,
}

/// <summary>What the node knows of an operation at one moment. Immutable. The payload is not kept: <see cref="Spec"/> has <c>null</c> in its place.</summary>
/// <param name="DetailsKept">False once roster and answers were dropped.</param>
public sealed record StoredOperation(
    long Number, MessageId Id, OperationSpec Spec, StoredState State, Instant SubmittedAt, Instant? StartedAt, OperationResult? Result, bool DetailsKept = true);

/// <summary>The bounds of an <see cref="OperationStore"/>.</summary>
public sealed record OperationStoreOptions
{
    /// <summary>Operations kept, at least 1; default 1,000. Policy <c>drop-oldest-ended</c>: what has not ended always stays, the mesh bounds it itself.</summary>
    public int OperationsMax { get; init; } = 1_000;

    /// <summary>
    /// Memory for rosters and answers of all operations together, in bytes as estimated; default 128 MiB. Policy <c>drop-oldest-details</c>:
    /// the oldest operations keep their counts and lose their lists.
    /// </summary>
    public long DetailBytesMax { get; init; } = 128L << 20;
}

/// <summary>
/// The operations of this run of the node, newest first, and the conflicts of the last hour. Fed by the mesh's loops and by submissions in
/// whatever order they come. Thread-safe; the lock is held for a few dictionary steps, so a loop may call it.
/// </summary>
public sealed class OperationStore(OperationStoreOptions? options = null)
{
    private const int MinutesKept = 60;
    private const int RosterEntryBytes = 160;
    private const int AnswerBytes = 80;

    private readonly Lock _gate = new();
    private readonly OperationStoreOptions _options = options ?? new OperationStoreOptions();
    private readonly SortedDictionary<long, StoredOperation> _byNumber = new(Comparer<long>.Create(static (a, b) => b.CompareTo(a)));
    private readonly Dictionary<MessageId, long> _numbers = [];
    private readonly Queue<(long Number, long Bytes)> _details = new();
    private readonly (long Minute, int Conflicts)[] _conflicts = new (long, int)[MinutesKept];
    private long _detailBytes;
    private int _unfinished;
    private StoredOperation? _lastCascade;

    /// <summary>
    /// Called under the lock, in order, with what changed: submitted, started, ended, each once an operation. Must be short and not call back.
    /// </summary>
    public Action<StoredOperation>? OnChange { get; set; }

    /// <summary>Operations that have not ended.</summary>
    public int Unfinished => Volatile.Read(ref _unfinished);

    /// <summary>The cascade that ended last; null before the first.</summary>
    public StoredOperation? LastCascade => Volatile.Read(ref _lastCascade);

    /// <summary>An operation was accepted. Does nothing when it is known already.</summary>
    public void Submitted(long number, MessageId id, OperationSpec spec, Instant at)
    {
        lock (_gate)
        {
            if (!_numbers.ContainsKey(id)) Put_NeedsLock(new StoredOperation(number, id, WithoutPayload(spec), StoredState.Queued, at, null, null));
        }
    }

    /// <summary>An operation left the queue.</summary>
    public void Started(OperationStarted started)
    {
        lock (_gate)
        {
            StoredOperation known = Known_NeedsLock(started.Number, started.OperationId, started.Spec, started.SubmittedAt);
            if (known.State == StoredState.Queued) Put_NeedsLock(known with { State = StoredState.Running, StartedAt = started.StartedAt });
        }
    }

    /// <summary>An operation ended.</summary>
    public void Ended(OperationResult result)
    {
        lock (_gate)
        {
            StoredOperation known = Known_NeedsLock(result.Number, result.OperationId, result.Spec, result.SubmittedAt);
            if (known.State == StoredState.Ended) return;
            StoredOperation ended = known with { State = StoredState.Ended, Result = result with { Spec = WithoutPayload(result.Spec) } };
            Put_NeedsLock(ended);
            if (result.Spec.Cascade is not null) _lastCascade = ended with { Result = Stripped(ended.Result!), DetailsKept = false };
            Count_NeedsLock(result.EndedAt, result.Report.Counts.Conflict);
            Bound_NeedsLock(result);
        }
    }

    /// <summary>An operation by its id; null when it is unknown or no longer kept.</summary>
    public StoredOperation? Find(MessageId id)
    {
        lock (_gate) return _numbers.TryGetValue(id, out long number) ? _byNumber[number] : null;
    }

    /// <summary>Newest first, those with a number below <paramref name="before"/>, at most <paramref name="limit"/>.</summary>
    public IReadOnlyList<StoredOperation> Newest(int limit, long before = long.MaxValue, StoredState? state = null)
    {
        lock (_gate) return [.. _byNumber.Values.Where(o => o.Number < before && (state is null || o.State == state)).Take(limit)];
    }

    /// <summary>Conflicts that agents reported in the operations that ended in the 60 minutes up to now, to the minute.</summary>
    public int ConflictsOfLastHour(Instant now)
    {
        long minute = MinuteOf(now);
        lock (_gate) return _conflicts.Where(c => c.Minute > minute - MinutesKept).Sum(c => c.Conflicts);
    }

    private StoredOperation Known_NeedsLock(long number, MessageId id, OperationSpec spec, Instant submittedAt)
    {
        if (_byNumber.TryGetValue(number, out StoredOperation? known)) return known;
        StoredOperation created = new(number, id, WithoutPayload(spec), StoredState.Queued, submittedAt, null, null);
        Put_NeedsLock(created);
        return created;
    }

    private void Put_NeedsLock(StoredOperation operation)
    {
        if (_numbers.TryAdd(operation.Id, operation.Number)) _unfinished++;
        if (operation.State == StoredState.Ended) _unfinished--;
        _byNumber[operation.Number] = operation;
        OnChange?.Invoke(operation);
    }

    private void Bound_NeedsLock(OperationResult result)
    {
        long bytes = ((long)RosterEntryBytes * result.Report.Roster.Count) + result.Report.Answers.Sum(a => AnswerBytes + (2L * a.Result.Length));
        _details.Enqueue((result.Number, bytes));
        _detailBytes += bytes;
        while ((_detailBytes > _options.DetailBytesMax && _details.Count > 1) || _details.Count > _options.OperationsMax) DropDetails_NeedsLock();
        if (_byNumber.Count <= _options.OperationsMax) return;
        foreach (StoredOperation oldest in _byNumber.Values.Reverse())
        {
            if (oldest.State != StoredState.Ended) continue;
            _byNumber.Remove(oldest.Number);
            _numbers.Remove(oldest.Id);
            break;
        }
    }

    private void DropDetails_NeedsLock()
    {
        (long number, long bytes) = _details.Dequeue();
        _detailBytes -= bytes;
        if (bytes > 0 && _byNumber.TryGetValue(number, out StoredOperation? old) && old.Result is { } result)
            _byNumber[number] = old with { Result = Stripped(result), DetailsKept = false };
    }

    private void Count_NeedsLock(Instant at, int conflicts)
    {
        long minute = MinuteOf(at);
        ref (long Minute, int Conflicts) slot = ref _conflicts[minute % MinutesKept];
        slot = slot.Minute == minute ? (minute, slot.Conflicts + conflicts) : (minute, conflicts);
    }

    private static long MinuteOf(Instant at) => at.Ticks / TimeSpan.TicksPerMinute;

    private static OperationSpec WithoutPayload(OperationSpec spec) => spec with { Payload = "null" };

    private static OperationResult Stripped(OperationResult result) => result with
    {
        Report = Stripped(result.Report),
        Phases = [.. result.Phases.Select(p => p with { Report = Stripped(p.Report) })],
    };

    private static GatherReport Stripped(GatherReport report) => new()
    {
        Counts = report.Counts,
        Arrivals = report.Arrivals,
        PredictionErrors = report.PredictionErrors,
        ConfidenceSum = report.ConfidenceSum,
    };
}
