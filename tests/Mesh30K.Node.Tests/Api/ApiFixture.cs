using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Node.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh30K.Node.Tests.Api;

internal sealed record Order(string Verb, int Count, Order? Then = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(Order))]
internal sealed partial class TestJson : JsonSerializerContext;

/// <summary>A real server on a free port and a client that knows the key. Everything is removed at the end.</summary>
internal sealed class ApiFixture : IAsyncDisposable
{
    internal static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private ApiFixture(ApiHost host, OperatorKey key, DirectoryInfo folder)
    {
        Host = host;
        Folder = folder;
        Client = new HttpClient(new SocketsHttpHandler { Expect100ContinueTimeout = Generous }) { BaseAddress = host.BaseAddress, Timeout = Generous };
        Client.DefaultRequestHeaders.Authorization = key.ToHeader();
    }

    internal ApiHost Host { get; }

    internal DirectoryInfo Folder { get; }

    internal HttpClient Client { get; }

    internal static async Task<ApiFixture> StartAsync(EventStream? stream = null, IReadOnlyList<ReadinessCheck>? readiness = null)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-api-");
        OperatorKey key = OperatorKey.LoadOrCreate(Path.Combine(folder.FullName, "operator.key"));
        ApiHost host = await ApiHost.StartAsync(
            new ApiHostOptions
            {
                Key = key,
                Readiness = readiness ?? [],
                Map = routes =>
                {
                    routes.MapPost("/v1/orders", (RequestDelegate)(async context =>
                    {
                        JsonBody<Order> body = await JsonBody.ReadAsync(context, TestJson.Default.Order);
                        if (!body.IsValid) await body.Problem.ExecuteAsync(context);
                        else await context.Response.WriteAsJsonAsync(body.Value, TestJson.Default.Order);
                    }));
                    routes.MapGet("/v1/busy", (RequestDelegate)(context => Mesh30K.Node.Api.Problem.TooManyRequests("Too fast.", 2).ExecuteAsync(context)));
                    routes.MapGet("/v1/bug", (RequestDelegate)(_ => throw new InvalidOperationException("secret detail")));
                    routes.MapGet("/v1/agents/hello", (RequestDelegate)(context => context.Response.WriteAsync("hello"))).WithoutOperatorKey();
                    if (stream is not null) routes.MapEventStream("/v1/events", stream);
                },
            },
            TestContext.Current.CancellationToken);
        return new ApiFixture(host, key, folder);
    }

    /// <summary>Checks that the answer is a problem of this status and gives it back.</summary>
    internal static async Task<JsonElement> Problem(HttpResponseMessage response, HttpStatusCode status)
    {
        Assert.Equal(status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = await response.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);
        Assert.Equal((int)status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        return problem;
    }

    internal static string Detail(JsonElement problem) => problem.GetProperty("detail").GetString()!;

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Host.DisposeAsync();
        Folder.Delete(recursive: true);
    }
}
