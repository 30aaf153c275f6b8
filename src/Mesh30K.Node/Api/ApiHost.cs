using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Mesh30K.Node.Api.Callers;
using Mesh30K.Protocol.Identity;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Mesh30K.Node.Api;

/// <summary>The API cannot listen. The message is one line for the operator; <see cref="Hint"/> says what to do.</summary>
public sealed class ListenFailed(int port, string message, string hint, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The port that was asked for.</summary>
    public int Port { get; } = port;

    /// <summary>What the operator can do.</summary>
    public string Hint { get; } = hint;
}

/// <summary>Where and how the API listens.</summary>
public sealed record ApiHostOptions
{
    /// <summary>The address. Default 127.0.0.1; any other than loopback needs <see cref="Certificate"/>.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>The port, 0 to 65,535. Default 0: a free one, see <see cref="ApiHost.BaseAddress"/>.</summary>
    public int Port { get; init; }

    /// <summary>The certificate with its private key, for TLS; null for plain HTTP on loopback. Owned by the caller.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>
    /// Connections at once, at most, and as many WebSockets. Default 512. Past the process's limit of open files Kestrel aborts the process: a
    /// fleet on WebSockets raises both together.
    /// </summary>
    public int ConnectionsMax { get; init; } = 512;

    /// <summary>The secret asked for under /v1.</summary>
    public required OperatorKey Key { get; init; }

    /// <summary>Judges the signatures of agents, for endpoints that are open to them; null: only the operator may call. Default null.</summary>
    public SignatureGate? Signatures { get; init; }

    /// <summary>The mesh's clock, by which signatures are judged. Default the system's.</summary>
    public Func<Instant> Now { get; init; } = static () => Instant.From(DateTimeOffset.UtcNow);

    /// <summary>What <c>/readyz</c> asks. Default nothing.</summary>
    public IReadOnlyList<ReadinessCheck> Readiness { get; init; } = [];

    /// <summary>Maps endpoints. Patterns start with <c>/v1/</c> to be under the operator key.</summary>
    public Action<IEndpointRouteBuilder> Map { get; init; } = _ => { };

    /// <summary>Adds services that the endpoints need.</summary>
    public Action<IServiceCollection> ConfigureServices { get; init; } = _ => { };

    /// <summary>Adds middleware after authentication, before the endpoints: WebSockets, static files.</summary>
    public Action<IApplicationBuilder> ConfigurePipeline { get; init; } = _ => { };
}

/// <summary>
/// The node's HTTP server. It takes nothing from the surroundings: no environment variables, no settings file in the working folder (which may
/// be a repository that others write to), no signal handlers; the composition root owns those. Logs warnings and worse to standard error.
/// Thread-safe after <see cref="StartAsync"/>; owned by whoever started it, who disposes it.
/// </summary>
public sealed class ApiHost : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ApiHost(WebApplication app, Uri baseAddress)
    {
        _app = app;
        BaseAddress = baseAddress;
    }

    /// <summary>Where it listens, with the actual port.</summary>
    public Uri BaseAddress { get; }

    /// <summary>Starts listening. Throws <see cref="ListenFailed"/> when it may not or cannot.</summary>
    public static async Task<ApiHost> StartAsync(ApiHostOptions options, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!IPAddress.IsLoopback(options.Address) && options.Certificate is null)
        {
            throw new ListenFailed(
                options.Port,
                $"refused to listen on {options.Address} without TLS: keys and payloads would cross the network in the clear",
                "Listen on 127.0.0.1, or give a certificate.");
        }

        WebApplication app = Build(options);
        try
        {
            await app.StartAsync(cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            await app.DisposeAsync().ConfigureAwait(false);
            throw Explain(options, error);
        }

        string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return new ApiHost(app, new Uri(address));
    }

    /// <summary>Takes no new requests, ends event streams, and lets the others finish until the token says stop.</summary>
    public Task StopAsync(CancellationToken cancel = default) => _app.StopAsync(cancel);

    /// <summary>Stops at once what still runs.</summary>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static WebApplication Build(ApiHostOptions options)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Mesh30K.Node" });
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => Configure(kestrel, options));
        // Frames of agents are handled where the socket's event is: a hop to another thread costs as much as half of the rest beside the signature. Nothing that is served here blocks for long.
        builder.Services.Configure<SocketTransportOptions>(sockets => sockets.UnsafePreferInlineScheduling = true);
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // a failed start is thrown, with a better message
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddRoutingCore();
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, NoLifetime>());
        options.ConfigureServices(builder.Services);
        WebApplication app = builder.Build();
        app.UseMiddleware<ProblemMiddleware>();
        app.UseRouting();
        app.UseMiddleware<CallerMiddleware>(new CallerRules(options.Key, options.Signatures, options.Now));
        options.ConfigurePipeline(app);
        app.MapHealth(options.Readiness);
        options.Map(app);
        return app;
    }

    private static void Configure(KestrelServerOptions kestrel, ApiHostOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = JsonBody.BytesMax;
        kestrel.Limits.MaxConcurrentConnections = options.ConnectionsMax;
        kestrel.Limits.MaxConcurrentUpgradedConnections = options.ConnectionsMax;
        kestrel.Listen(options.Address, options.Port, listen =>
        {
            if (options.Certificate is { } certificate) listen.UseHttps(certificate);
        });
    }

    private static ListenFailed Explain(ApiHostOptions options, Exception error)
    {
        string where = new IPEndPoint(options.Address, options.Port).ToString();
        if (error.InnerException is AddressInUseException)
            return new ListenFailed(options.Port, $"cannot listen on {where}: the port is in use", "Stop the program that uses it (another node?), or choose another port.", error);
        Exception root = error.GetBaseException();
        return root is SocketException { SocketErrorCode: SocketError.AccessDenied }
            ? new ListenFailed(options.Port, $"cannot listen on {where}: not allowed", "Ports below 1024 need a privilege: choose a higher one.", error)
            : new ListenFailed(options.Port, $"cannot listen on {where}: {root.Message}", "Check the address and the port.", error);
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
