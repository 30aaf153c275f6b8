using System.Text.Json;
using System.Threading.Channels;

namespace Mesh30K.Node.Api.Operations;

/// <summary>
/// Turns what happens to operations into events for readers: <c>operation.submitted</c>, <c>operation.started</c>, <c>operation.ended</c>, in that
/// order for each, with the operation's view without its answers. The loops only hand over; the views are made on a task of the feed's own.
/// Bound: 4,096 changes wait at most; policy <c>drop-oldest</c>, counted.
/// </summary>
internal sealed class OperationFeed : IAsyncDisposable
{
    private const int WaitingMax = 4_096;

    private readonly Channel<StoredOperation> _changes;
    private readonly EventStream _events;
    private readonly Task _pump;
    private long _dropped;

    public OperationFeed(OperationStore store, EventStream events)
    {
        _events = events;
        BoundedChannelOptions options = new(WaitingMax) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true };
        _changes = Channel.CreateBounded<StoredOperation>(options, _ => Interlocked.Increment(ref _dropped));
        _pump = PumpAsync();
        store.OnChange = change => _changes.Writer.TryWrite(change);
    }

    /// <summary>Changes that found too many others waiting and became no event.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public async ValueTask DisposeAsync()
    {
        _changes.Writer.TryComplete();
        await _pump.ConfigureAwait(false);
    }

    private async Task PumpAsync()
    {
        await foreach (StoredOperation change in _changes.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            string type = change.State switch { StoredState.Queued => "operation.submitted", StoredState.Running => "operation.started", _ => "operation.ended" };
            OperationView view = OperationViews.Of(change, answers: false);
            _events.Publish(type, JsonSerializer.SerializeToUtf8Bytes(view, ApiViews.Default.OperationView));
        }
    }
}
