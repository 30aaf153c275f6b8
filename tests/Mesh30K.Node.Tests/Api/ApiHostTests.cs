using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Mesh30K.Node.Api;

namespace Mesh30K.Node.Tests.Api;

public sealed class ApiHostTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Task<HttpResponseMessage> Post(ApiFixture api, string json, string type = "application/json") =>
        api.Client.PostAsync("/v1/orders", new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue(type)), Cancel);

    [Fact]
    public async Task The_operator_key_opens_v1_and_nothing_else_does()
    {
        await using ApiFixture api = await ApiFixture.StartAsync();
        Assert.Equal(HttpStatusCode.OK, (await Post(api, """{"verb":"act","count":3}""")).StatusCode);
        using var stranger = new HttpClient { BaseAddress = api.Host.BaseAddress };
        foreach (string? header in new[] { null, "Bearer x", "Bearer " + new string('A', 43), "Basic " + new string('A', 43), "Bearer " + new string('ä', 43) })
        {
            foreach (string path in new[] { "/v1/orders", "/v1/nothing-here", "/V1/orders", "/v1" })
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, path);
                if (header is not null && header.All(char.IsAscii)) request.Headers.TryAddWithoutValidation("Authorization", header);
                using HttpResponseMessage response = await stranger.SendAsync(request, Cancel);
                await ApiFixture.Problem(response, HttpStatusCode.Unauthorized);
                Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
            }
        }

        Assert.Equal("hello", await stranger.GetStringAsync("/v1/agents/hello", Cancel));
        Assert.Equal(HttpStatusCode.OK, (await stranger.GetAsync("/healthz", Cancel)).StatusCode);
    }

    [Fact]
    public async Task Unknown_paths_wrong_methods_limits_and_bugs_are_problems()
    {
        await using ApiFixture api = await ApiFixture.StartAsync();
        Assert.Contains("/v1/nothing", ApiFixture.Detail(await ApiFixture.Problem(await api.Client.GetAsync("/v1/nothing", Cancel), HttpStatusCode.NotFound)));
        await ApiFixture.Problem(await api.Client.GetAsync("/v1/orders", Cancel), HttpStatusCode.MethodNotAllowed);
        HttpResponseMessage busy = await api.Client.GetAsync("/v1/busy", Cancel);
        await ApiFixture.Problem(busy, HttpStatusCode.TooManyRequests);
        Assert.Equal(TimeSpan.FromSeconds(2), busy.Headers.RetryAfter?.Delta);
        JsonElement bug = await ApiFixture.Problem(await api.Client.GetAsync("/v1/bug", Cancel), HttpStatusCode.InternalServerError);
        Assert.DoesNotContain("secret", bug.GetRawText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"verb\":\"act\",\n  \"count\": x}", "line 2, position 12")]
    [InlineData("{\"verb\":\"act\",\"count\":\"three\"}", "$.count")]
    [InlineData("{\"verb\":\"act\"}", "count")]
    [InlineData("{\"verb\":\"act\",\"count\":1} {}", "line 1")]
    [InlineData("{\"verb\":\"act\",", "line 1")]
    [InlineData("", "empty")]
    [InlineData("null", "null")]
    public async Task Malformed_json_is_answered_with_where_it_is_wrong(string json, string expected)
    {
        await using ApiFixture api = await ApiFixture.StartAsync();
        JsonElement problem = await ApiFixture.Problem(await Post(api, json), HttpStatusCode.BadRequest);
        Assert.Contains(expected, ApiFixture.Detail(problem), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bodies_too_deep_too_large_or_not_json_are_refused()
    {
        await using ApiFixture api = await ApiFixture.StartAsync();
        string deep = string.Concat(Enumerable.Repeat("""{"verb":"a","count":1,"then":""", 40)) + "null" + new string('}', 40);
        Assert.Contains("depth", ApiFixture.Detail(await ApiFixture.Problem(await Post(api, deep), HttpStatusCode.BadRequest)), StringComparison.Ordinal);
        await ApiFixture.Problem(await Post(api, "{}", "text/plain"), HttpStatusCode.UnsupportedMediaType);
        string large = $$"""{"verb":"{{new string('a', JsonBody.BytesMax)}}","count":1}""";
        using var refused = new HttpRequestMessage(HttpMethod.Post, "/v1/orders") { Content = new StringContent(large, System.Text.Encoding.UTF8, "application/json") };
        refused.Headers.ExpectContinue = true; // the refusal comes before the body: a client that sends at once may see the connection end instead
        await ApiFixture.Problem(await api.Client.SendAsync(refused, Cancel), HttpStatusCode.RequestEntityTooLarge);
        string fits = $$"""{"verb":"{{new string('a', JsonBody.BytesMax - 100)}}","count":1}""";
        Assert.Equal(HttpStatusCode.OK, (await Post(api, fits)).StatusCode);
        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/v1/orders") { Content = JsonContent.Create(new Order(new string('a', JsonBody.BytesMax), 1)) };
        chunked.Headers.TransferEncodingChunked = true;
        await ApiFixture.Problem(await api.Client.SendAsync(chunked, Cancel), HttpStatusCode.RequestEntityTooLarge);
        var bytes = new ByteArrayContent([.. "{\"verb\":\""u8, 0xff, .. "\",\"count\":1}"u8]) { Headers = { ContentType = new("application/json") } };
        await ApiFixture.Problem(await api.Client.PostAsync("/v1/orders", bytes, Cancel), HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Ready_only_when_every_check_is()
    {
        string? reason = "replaying the journal";
        await using ApiFixture api = await ApiFixture.StartAsync(readiness: [new("journal", () => Volatile.Read(ref reason)), new("loops", () => null)]);
        using HttpResponseMessage before = await api.Client.GetAsync("/readyz", Cancel);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, before.StatusCode);
        Assert.Equal(
            """{"ready":false,"checks":[{"name":"journal","ready":false,"reason":"replaying the journal"},{"name":"loops","ready":true}]}""",
            await before.Content.ReadAsStringAsync(Cancel));
        Volatile.Write(ref reason, null);
        Assert.Equal(HttpStatusCode.OK, (await api.Client.GetAsync("/readyz", Cancel)).StatusCode);
        Assert.Equal("""{"alive":true}""", await api.Client.GetStringAsync("/healthz", Cancel));
    }

    [Fact]
    public async Task A_port_in_use_is_one_clear_message()
    {
        await using ApiFixture first = await ApiFixture.StartAsync();
        OperatorKey key = OperatorKey.Load(Path.Combine(first.Folder.FullName, "operator.key"));
        int port = first.Host.BaseAddress.Port;
        Assert.NotEqual(0, port);
        var failed = await Assert.ThrowsAsync<ListenFailed>(() => ApiHost.StartAsync(new ApiHostOptions { Key = key, Port = port }, Cancel));
        Assert.Equal((port, $"cannot listen on 127.0.0.1:{port}: the port is in use"), (failed.Port, failed.Message));
        Assert.Contains("another port", failed.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Elsewhere_than_loopback_needs_tls()
    {
        await using ApiFixture api = await ApiFixture.StartAsync();
        OperatorKey key = OperatorKey.Load(Path.Combine(api.Folder.FullName, "operator.key"));
        var failed = await Assert.ThrowsAsync<ListenFailed>(() => ApiHost.StartAsync(new ApiHostOptions { Key = key, Address = IPAddress.Any }, Cancel));
        Assert.Contains("without TLS", failed.Message, StringComparison.Ordinal);
    }
}
