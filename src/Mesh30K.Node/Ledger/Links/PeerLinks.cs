using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger.Group;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>The ways to all other servers. One is made when the first message for a server comes. The host's rounds send; disposal is the owner's, when there are no more.</summary>
internal sealed class PeerLinks : IRaftTransport, IAsyncDisposable
{
    private readonly RaftHost _host;
    private readonly GroupIdentity _identity;
    private readonly Action<string> _note;
    private readonly LinkDialer _dialer;
    private readonly RaftMessageCodec _codec = new();
    private readonly Dictionary<ServerId, PeerLink> _links = [];
    private readonly List<PeerLink> _written = [];

    internal PeerLinks(RaftHost host, GroupIdentity identity, Action<string> note)
    {
        (_host, _identity, _note) = (host, identity, note);
        _dialer = new LinkDialer(identity);
        foreach (GroupServer server in identity.Group.Servers)
            if (server.Number != host.Self.Number) _ = LinkTo(new ServerId(server.Number));
    }

    public void Send(RaftMessage message)
    {
        if (!_links.TryGetValue(message.To, out PeerLink? link)) link = LinkTo(message.To);
        link.Send(message, _codec);
        if (!_written.Contains(link)) _written.Add(link);
    }

    public void Flush()
    {
        if (_written.Count == 0) return;
        long wall = _host.WallNow.Ticks;
        foreach (PeerLink link in _written) link.Flush(wall);
        _written.Clear();
    }

    public bool IsLinked(ServerId server) => _links.TryGetValue(server, out PeerLink? link) && link.IsLinked;

    public async ValueTask DisposeAsync()
    {
        foreach (PeerLink link in _links.Values) await link.DisposeAsync().ConfigureAwait(false);
    }

    private PeerLink LinkTo(ServerId server)
    {
        PeerLink link = new(server.Number, () => Find(server), _dialer, _note);
        _links.Add(server, link);
        return link;
    }

    /// <summary>A server that was added is where the ledger says; the others where the group's file says.</summary>
    private GroupServer? Find(ServerId server) =>
        _host.Added.TryGetValue(server.Number, out ServerAddress? added)
            ? new GroupServer(server.Number, added.Host, added.Port)
            : _identity.Group.Servers.FirstOrDefault(s => s.Number == server.Number);
}
