using System.Net.Security;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>Opens links to coordinators.</summary>
internal interface ILinkDialer
{
    /// <summary>
    /// Connects and says hello. Throws <see cref="WebSocketException"/>, <see cref="IOException"/> or <see cref="OperationCanceledException"/> when it does not come to a link, and
    /// <see cref="LinkFormatException"/> when the other side is another than it should be.
    /// </summary>
    Task<WebSocket> DialAsync(GroupServer to, TimeSpan atMost, TimeSpan keepAlive, CancellationToken cancel);
}

/// <summary>
/// Opens links to coordinators over mutual TLS: shows the own certificate, and takes only one of the group's authority for the server that is meant. Thread-safe.
/// </summary>
internal sealed class LinkDialer : ILinkDialer
{
    internal const string PeerPath = "/raft";
    internal const string ClientPath = "/ledger";

    private const int HelloBytesMax = 4_096;

    private readonly GroupIdentity _identity;
    private readonly SslStreamCertificateContext _context;

    internal LinkDialer(GroupIdentity identity)
    {
        _identity = identity;
        _context = SslStreamCertificateContext.Create(identity.Own, null, offline: true);
    }

    public async Task<WebSocket> DialAsync(GroupServer to, TimeSpan atMost, TimeSpan keepAlive, CancellationToken cancel)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(atMost);
        string? refused = null;
        ClientWebSocket socket = new();
        try
        {
            socket.Options.KeepAliveInterval = keepAlive;
            socket.Options.KeepAliveTimeout = keepAlive;
            using SocketsHttpHandler handler = new()
            {
                UseProxy = false,
                UseCookies = false,
                SslOptions = new SslClientAuthenticationOptions
                {
                    ClientCertificateContext = _context,
                    RemoteCertificateValidationCallback = (_, certificate, _, _) => (refused = WhyNot(certificate, to)) is null,
                },
            };
            using HttpMessageInvoker invoker = new(handler, disposeHandler: false);
            string path = _identity.Role.Number > 0 ? PeerPath : ClientPath;
            await socket.ConnectAsync(new UriBuilder("wss", to.Host, to.Port, path).Uri, invoker, limit.Token).ConfigureAwait(false);
            await GreetAsync(socket, to, limit.Token).ConfigureAwait(false);
            return socket;
        }
        catch (Exception error)
        {
            socket.Dispose();
            if (refused is not null) throw new LinkFormatException(refused, error);
            if (error is OperationCanceledException && !cancel.IsCancellationRequested) throw new IOException($"server {to.Number} at {to.Host}:{to.Port} did not answer within {atMost.TotalSeconds:0.#} s", error);
            throw;
        }
    }


    private string? WhyNot(X509Certificate? certificate, GroupServer to)
    {
        if (certificate is not X509Certificate2 shown) return $"{to.Host}:{to.Port} shows no certificate";
        return _identity.RoleOf(shown) switch
        {
            null => $"{to.Host}:{to.Port} is no coordinator of the group {_identity.Group.Id}: another authority signed its certificate, or its time is over",
            { } role when role.Number != to.Number || to.Number == 0 => $"{to.Host}:{to.Port} is {role} and not server-{to.Number}: is the address right in {GroupFile.FileName}?",
            _ => null,
        };
    }

    private async Task GreetAsync(ClientWebSocket socket, GroupServer to, CancellationToken cancel)
    {
        LinkBuffer hello = new();
        new LinkHello(_identity.Group.Id, _identity.Role.Number, to.Number).Write(hello);
        await socket.SendAsync(hello.Written, WebSocketMessageType.Binary, endOfMessage: true, cancel).ConfigureAwait(false);
        ReadOnlyMemory<byte>? answer = await new LinkSocket(socket, HelloBytesMax).ReceiveAsync(cancel).ConfigureAwait(false);
        if (answer is null) throw new LinkFormatException($"server {to.Number} refused the link: {socket.CloseStatusDescription ?? "without a reason"}");
        LinkHello heard = LinkHello.Read(answer.Value.Span);
        if (heard.Group != _identity.Group.Id || heard.From != to.Number) throw new LinkFormatException($"{to.Host}:{to.Port} is server {heard.From} of the group {heard.Group}");
    }
}
