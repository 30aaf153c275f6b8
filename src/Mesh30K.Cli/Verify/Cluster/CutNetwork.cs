using System.Net;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>A direction between two servers; 0: the clients.</summary>
internal readonly record struct WireName(int From, int To);

/// <summary>The network between the servers 1 to N and the clients (0): a proxy for each that connects and each that listens. One owner.</summary>
internal sealed class CutNetwork : IAsyncDisposable
{
    private readonly Wire[,] _wires;
    private readonly CutProxy?[,] _proxies;
    private readonly int _servers;

    /// <param name="targets">Where the servers 1, 2, … listen.</param>
    public CutNetwork(IReadOnlyList<IPEndPoint> targets)
    {
        _servers = targets.Count;
        _wires = new Wire[_servers + 1, _servers + 1];
        _proxies = new CutProxy?[_servers + 1, _servers + 1];
        for (int from = 0; from <= _servers; from++)
        {
            for (int to = 0; to <= _servers; to++) _wires[from, to] = new Wire();
        }
        for (int from = 0; from <= _servers; from++)
        {
            for (int to = 1; to <= _servers; to++)
            {
                if (from != to) _proxies[from, to] = new CutProxy(targets[to - 1], _wires[from, to], _wires[to, from]);
            }
        }
    }

    /// <summary>Where <paramref name="from"/> (0: a client) finds a server.</summary>
    public int PortFor(int from, int server) => _proxies[from, server]!.Port;

    public void Cut(IEnumerable<WireName> wires)
    {
        foreach (WireName wire in wires) _wires[wire.From, wire.To].Cut();
    }

    /// <summary>Heals what was cut.</summary>
    /// <param name="loses">Whether connections over these wires are reset, as after a cut that lasted longer than TCP had patience; else what was held arrives.</param>
    public void Heal(IReadOnlyCollection<WireName> wires, bool loses)
    {
        if (loses) Reset(wires);
        foreach (WireName wire in wires) _wires[wire.From, wire.To].Heal();
    }

    /// <summary>Resets the connections over these wires, whoever opened them.</summary>
    public void Reset(IEnumerable<WireName> wires)
    {
        foreach (WireName wire in wires)
        {
            _proxies[wire.From, wire.To]?.Reset();
            _proxies[wire.To, wire.From]?.Reset();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (CutProxy? proxy in _proxies)
        {
            if (proxy is not null) await proxy.DisposeAsync().ConfigureAwait(false);
        }
    }
}
