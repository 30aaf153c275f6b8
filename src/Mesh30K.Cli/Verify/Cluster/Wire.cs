namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>One direction between two servers (0: the clients). Bytes pass, or are held while at least one fault cuts it. Thread-safe.</summary>
internal sealed class Wire
{
    private readonly Lock _gate = new();
    private int _cuts;
    private TaskCompletionSource? _open;

    /// <summary>Completes when bytes may pass.</summary>
    public Task WhenOpenAsync(CancellationToken stop)
    {
        lock (_gate) return _open is null ? Task.CompletedTask : _open.Task.WaitAsync(stop);
    }

    public void Cut()
    {
        lock (_gate)
        {
            _cuts++;
            _open ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Takes one cut back; bytes pass again when it was the last.</summary>
    public void Heal()
    {
        lock (_gate)
        {
            if (_cuts == 0) throw new InvalidOperationException("a wire is healed that nothing cuts");
            if (--_cuts > 0) return;
            _open!.SetResult();
            _open = null;
        }
    }
}
