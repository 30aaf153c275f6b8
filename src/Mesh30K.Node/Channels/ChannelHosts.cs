using Mesh30K.Consistency.Time;

namespace Mesh30K.Node.Channels;

/// <summary>
/// The channels of a node's data directory. One is opened, and owned from then on, when it is first asked for; at most <see cref="OpenMax"/>, one more
/// is refused. Thread-safe; disposed, it has closed all of them.
/// </summary>
public sealed class ChannelHosts(string dataDirectory, ChannelStorageOptions? options = null) : IAsyncDisposable
{
    public const int OpenMax = 256;

    private readonly ChannelStorageOptions _options = options ?? new ChannelStorageOptions { LockWithin = TimeSpan.FromSeconds(2) };
    private readonly SortedDictionary<string, ChannelHost> _open = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _gate = new(1);
    private bool _closed;

    /// <summary>Why one of the channels has stopped; null when none has.</summary>
    public string? NotReadyBecause
    {
        get
        {
            lock (_open) return _open.Values.Select(h => h.Failure).FirstOrDefault(f => f is not null);
        }
    }

    /// <summary>All channels by name; the host of one that is not open is null.</summary>
    public IReadOnlyList<(string Name, ChannelHost? Host)> All()
    {
        IReadOnlyList<string> names = ChannelFolder.Names(dataDirectory);
        lock (_open) return [.. names.Select(name => (name, _open.GetValueOrDefault(name)))];
    }

    /// <summary>The channel; null when there is none. Errors as <see cref="ChannelHost.Open"/>.</summary>
    public Task<ChannelHost?> FindAsync(string name, CancellationToken cancel = default) => OpenAsync(name, () => ChannelFolder.Find(dataDirectory, name), cancel);

    /// <summary>The channel, made when there is none; see <see cref="ChannelFolder.FindOrCreate"/>.</summary>
    public async Task<ChannelHost> FindOrCreateAsync(string name, ReplicaId? writer, CancellationToken cancel = default)
    {
        ChannelHost host = (await OpenAsync(name, () => ChannelFolder.FindOrCreate(dataDirectory, name, writer), cancel).ConfigureAwait(false))!;
        if (writer is not null) ChannelFolder.FindOrCreate(dataDirectory, name, writer); // refuses another writer
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        _closed = true;
        _gate.Release();
        foreach (ChannelHost host in _open.Values) await host.DisposeAsync().ConfigureAwait(false);
        _gate.Dispose();
    }

    private async Task<ChannelHost?> OpenAsync(string name, Func<ChannelFolder?> find, CancellationToken cancel)
    {
        lock (_open)
        {
            if (_open.TryGetValue(name, out ChannelHost? known)) return known;
        }
        await _gate.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            if (_open.TryGetValue(name, out ChannelHost? known)) return known;
            if (_open.Count >= OpenMax)
                throw new ChannelAccessException("too_many", $"{OpenMax} channels are open already", "Use fewer channels, or another node.");
            if (find() is not { } folder) return null;
            ChannelHost host = await Task.Run(() => ChannelHost.Open(folder, _options, cancel), cancel).ConfigureAwait(false);
            lock (_open) _open.Add(name, host);
            return host;
        }
        finally
        {
            _gate.Release();
        }
    }
}
