using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.InteropServices;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Api;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>How a coordinator is run.</summary>
public sealed record CoordinatorOptions
{
    /// <summary>The folder of its journal; made when missing.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The group's folder: where a mark is left that this server has run.</summary>
    public required string GroupDirectory { get; init; }

    /// <summary>Where it listens; null: where the group's file says.</summary>
    public GroupServer? Listen { get; init; }

    public RaftHostOptions Host { get; init; } = new();

    /// <summary>Connections at once, of servers and clients. Default 4,096.</summary>
    public int ConnectionsMax { get; init; } = 4_096;

    /// <summary>Takes a line now and then: a link that does not come about, and why.</summary>
    public Action<string> Note { get; init; } = _ => { };
}

/// <summary>
/// A coordinator: its <see cref="RaftHost"/>, one listener over mutual TLS for other servers and clients, and the links to other servers. Owned by whoever started it. Thread-safe.
/// </summary>
public sealed class CoordinatorServer : IAsyncDisposable
{
    private const int PeerMessageBytesMax = 8 << 20;
    private static readonly TimeSpan HelloWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    private readonly GroupIdentity _identity;
    private readonly RaftHost _host;
    private readonly PeerLinks _links;
    private readonly CancellationTokenSource _stop = new();
    private readonly WebApplication _app;

    private CoordinatorServer(GroupIdentity identity, RaftHost host, PeerLinks links, CoordinatorOptions options, GroupServer listen)
    {
        (_identity, _host, _links, Listen) = (identity, host, links, listen);
        _app = Build(options);
    }

    /// <summary>Where it listens.</summary>
    public GroupServer Listen { get; }

    /// <summary>Completes when it cannot go on: with what ended it.</summary>
    public Task<Exception?> Stopped => _host.Stopped;

    /// <summary>
    /// Opens the journal, starts the host and listens. Throws <see cref="GroupFolderException"/>, <see cref="JournalException"/>, <see cref="RaftRecordException"/>,
    /// <see cref="Mesh30K.Consistency.Strong.Ledger.LedgerFormatException"/> and <see cref="ListenFailed"/>; nothing is left running then.
    /// </summary>
    public static async Task<CoordinatorServer> StartAsync(int number, CoordinatorOptions options, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        GroupIdentity identity = GroupFolder.Open(options.GroupDirectory, GroupRole.Server(number));
        RaftHost? host = null;
        CoordinatorServer? server = null;
        PeerLinks? links = null;
        try
        {
            GroupServer? own = identity.Group.Servers.FirstOrDefault(s => s.Number == number);
            GroupServer listen = options.Listen ?? own
                ?? throw new GroupFolderException($"server {number} is none of the group's first, so {GroupFile.FileName} does not say where it listens: say so with --listen HOST:PORT");
            string mark = Path.Combine(options.GroupDirectory, $"server-{number}.started");
            RaftMembership? first = File.Exists(mark) ? null : own is null ? RaftMembership.Empty : RaftMembership.Of([.. identity.Group.Servers.Select(s => new ServerId(s.Number))]);
            host = RaftHost.Start(
                new ServerId(number), first, Path.Combine(options.DataDirectory, "raft"), options.Host, h => links = new PeerLinks(h, identity, options.Note),
                begun: () => Mark(mark));
            server = new CoordinatorServer(identity, host, links!, options, listen);
            await server.ListenAsync(cancel).ConfigureAwait(false);
            return server;
        }
        catch
        {
            if (server is not null) await server.DisposeAsync().ConfigureAwait(false);
            else
            {
                if (host is not null) await host.DisposeAsync().ConfigureAwait(false);
                if (links is not null) await links.DisposeAsync().ConfigureAwait(false);
                identity.Dispose();
            }
            throw;
        }
    }

    /// <summary>Hands the lead over, if it has it and there is somebody to take it, and waits at most so long for that. Whether it does not lead at the end.</summary>
    public async Task<bool> HandOverAsync(TimeSpan atMost)
    {
        Instant until = _host.Now + atMost;
        using CancellationTokenSource limit = new(atMost);
        try
        {
            for (bool asked = false; ; await Task.Delay(10, limit.Token).ConfigureAwait(false))
            {
                OneAnswer caller = new();
                await SubmitAsync(new HostRequest.Status(caller, 1, until)).ConfigureAwait(false);
                if (await caller.Answered.WaitAsync(limit.Token).ConfigureAwait(false) is not { Role: RaftRole.Leader } status) return true;
                if (status.Linked.Count == 0) return false;
                if (!asked) await SubmitAsync(new HostRequest.Transfer(new OneAnswer(), 1, until, ServerId.None)).ConfigureAwait(false);
                asked = true;
            }
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            return false;
        }

        // A disk that hangs may keep the thread that brings a request.
        Task SubmitAsync(HostRequest request) => Task.Run(() => _host.Submit([request]), CancellationToken.None).WaitAsync(limit.Token);
    }

    /// <summary>Stops listening and the host; what is under way has no answer.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _host.DisposeAsync().ConfigureAwait(false);
        await _links.DisposeAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        _identity.Dispose();
        _stop.Dispose();
    }

    /// <summary>A server that has run never begins anew: an empty folder is a loss, and not a beginning.</summary>
    private static void Mark(string path)
    {
        if (!File.Exists(path)) Runtime.AtomicFile.Write(path, "this server has run; its number is never given to another\n"u8, replace: false);
    }

    private WebApplication Build(CoordinatorOptions options)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Mesh30K.Node" });
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = options.ConnectionsMax;
            kestrel.Limits.MaxConcurrentUpgradedConnections = options.ConnectionsMax;
            if (Listen.Host == "localhost") kestrel.ListenLocalhost(Listen.Port, Secure);
            else if (IPAddress.TryParse(Listen.Host, out IPAddress? address)) kestrel.Listen(address, Listen.Port, Secure);
            else kestrel.ListenAnyIP(Listen.Port, Secure);
        });
        // What is done with a message is little, and a hop to another thread costs more.
        builder.Services.Configure<SocketTransportOptions>(sockets => sockets.UnsafePreferInlineScheduling = true);
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // a failed start is thrown, with a better message
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, NoLifetime>());
        WebApplication app = builder.Build();
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = KeepAlive, KeepAliveTimeout = KeepAlive });
        app.Run(ServeAsync);
        return app;
    }

    private void Secure(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http1;
        listen.UseHttps(https =>
        {
            https.ServerCertificate = _identity.Own;
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.ClientCertificateValidation = (certificate, _, _) => _identity.RoleOf(certificate) is not null;
        });
    }

    private async Task ListenAsync(CancellationToken cancel)
    {
        try
        {
            await _app.StartAsync(cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            string why = error.InnerException is AddressInUseException ? "the port is in use" : error.GetBaseException().Message;
            throw new ListenFailed(Listen.Port, $"cannot listen on {Listen.Host}:{Listen.Port}: {why}", "Stop the program that uses it, or change the group's file everywhere.", error);
        }
    }

    private async Task ServeAsync(HttpContext context)
    {
        GroupRole? role = context.Connection.ClientCertificate is { } shown ? _identity.RoleOf(shown) : null;
        bool isPeer = context.Request.Path == LinkDialer.PeerPath && role is { Number: > 0 };
        bool isClient = context.Request.Path == LinkDialer.ClientPath && role is not null;
        if (!context.WebSockets.IsWebSocketRequest || !(isPeer || isClient))
        {
            context.Response.StatusCode = isPeer || isClient ? StatusCodes.Status426UpgradeRequired : StatusCodes.Status403Forbidden;
            return;
        }
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync().ConfigureAwait(false);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, context.RequestAborted);
        try
        {
            await GreetAsync(socket, role!.Value, stop.Token).ConfigureAwait(false);
            if (isPeer) await HearPeerAsync(socket, new ServerId(role.Value.Number), stop.Token).ConfigureAwait(false);
            else await new ClientSession(socket, _host).RunAsync(stop.Token).ConfigureAwait(false);
            await CloseAsync(socket, WebSocketCloseStatus.NormalClosure, "").ConfigureAwait(false);
        }
        catch (LinkFormatException wrong)
        {
            await CloseAsync(socket, WebSocketCloseStatus.PolicyViolation, wrong.Message).ConfigureAwait(false);
        }
        catch (Exception gone) when (gone is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            socket.Abort(); // whoever it was dials again
        }
    }

    private async Task GreetAsync(WebSocket socket, GroupRole role, CancellationToken stop)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(HelloWithin);
        ReadOnlyMemory<byte> first = await new LinkSocket(socket, 4_096).ReceiveAsync(limit.Token).ConfigureAwait(false) ?? throw new LinkFormatException("closed without a hello");
        LinkHello hello = LinkHello.Read(first.Span);
        if (hello.Group != _identity.Group.Id) throw new LinkFormatException($"this is the group {_identity.Group.Id}, not {hello.Group}");
        if (hello.From != role.Number) throw new LinkFormatException($"server {hello.From} shows the certificate of {role}");
        if (hello.To != _host.Self.Number) throw new LinkFormatException($"this is server {_host.Self.Number}, not {hello.To}: is its address right?");
        LinkBuffer answer = new();
        new LinkHello(_identity.Group.Id, _host.Self.Number, role.Number).Write(answer);
        await socket.SendAsync(answer.Written, WebSocketMessageType.Binary, endOfMessage: true, limit.Token).ConfigureAwait(false);
    }

    private async Task HearPeerAsync(WebSocket socket, ServerId peer, CancellationToken stop)
    {
        LinkSocket receiver = new(socket, PeerMessageBytesMax);
        while (await receiver.ReceiveAsync(stop).ConfigureAwait(false) is { } message) Hear(peer, message.Span);
    }

    private void Hear(ServerId peer, ReadOnlySpan<byte> message)
    {
        List<(RaftMessage, int)> all = [];
        LinkReader reader = new(message);
        while (!reader.IsAtEnd)
        {
            (byte kind, int length) = reader.Item(out LinkReader fields);
            if (kind == PeerFrames.Clock)
            {
                _host.HearClock(peer, new Instant(fields.Number()));
                continue;
            }
            if (kind != PeerFrames.Message) throw new LinkFormatException($"an item of the unknown kind {kind}: of a newer mesh?");
            RaftMessage heard;
            try
            {
                heard = RaftMessageCodec.Decode(fields.Rest);
            }
            catch (RaftRecordException wrong)
            {
                throw new LinkFormatException(wrong.Message, wrong);
            }
            if (heard.From != peer || heard.To != _host.Self) throw new LinkFormatException($"a message from {heard.From} to {heard.To} on the link from {peer} to {_host.Self}");
            all.Add((heard, length));
        }
        if (all.Count > 0) _host.Receive(CollectionsMarshal.AsSpan(all)); // one round, and one sync, for what the sender has gathered
    }

    private static async Task CloseAsync(WebSocket socket, WebSocketCloseStatus status, string why)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(1));
        try
        {
            string told = why.Length <= 100 ? why : why[..100]; // a close frame has room for 123 bytes
            if (socket.State is WebSocketState.Open or WebSocketState.CloseReceived) await socket.CloseOutputAsync(status, told, limit.Token).ConfigureAwait(false);
        }
        catch (Exception gone) when (gone is WebSocketException or IOException or OperationCanceledException or ArgumentException)
        {
            socket.Abort();
        }
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
