using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh30K.Node.Api;
using Mesh30K.Node.Api.Callers;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh30K.Node.Tests.Api.Callers;

/// <summary>Every route that a node has, asked with an agent's good signature: all but those of the table are closed.</summary>
public sealed partial class ClosedRoutesTests
{
    /// <summary>What agents may call. One more is entered here, with a test that it gives an agent only its own.</summary>
    private static readonly string[] Open = ["GET /v1/effects", "GET /v1/effects/one", "POST /v1/effects/finish", "POST /v1/effects/renew", "POST /v1/effects/start"];

    /// <summary>What checks its callers by itself, by token or handshake.</summary>
    private static readonly string[] OnTheirOwn = ["GET /v1/agents/connect", "POST /v1/agents/enrol"];

    [Fact]
    public async Task An_agents_signature_opens_what_the_table_says_and_nothing_else()
    {
        IEndpointRouteBuilder? routes = null;
        await using MeshFixture node = await MeshFixture.StartAsync(configure: o => o with { Signatures = SigningAgent.Soon, Map = r => routes = r });
        using SigningAgent agent = await SigningAgent.EnrolAsync(node, "ana");
        (RouteEndpoint Endpoint, string Method)[] all =
        [
            .. routes!.DataSources.SelectMany(d => d.Endpoints).Cast<RouteEndpoint>()
                .SelectMany(e => (e.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(m => (e, m)))
                .Where(e => e.e.RoutePattern.RawText!.StartsWith("/v1", StringComparison.OrdinalIgnoreCase)),
        ];
        Assert.True(all.Length > 40, $"only {all.Length} routes were found");
        string[] Marked<T>()
            where T : class => [.. all.Where(e => e.Endpoint.Metadata.GetMetadata<T>() is not null).Select(NameOf).Order(StringComparer.Ordinal)];
        Assert.Equal(Open, Marked<OpenToAgentsAttribute>());
        Assert.Equal(OnTheirOwn, Marked<WithoutOperatorKeyAttribute>());

        List<string> answers = [];
        foreach ((RouteEndpoint endpoint, string method) in all)
        {
            string name = NameOf((endpoint, method));
            if (OnTheirOwn.Contains(name, StringComparer.Ordinal)) continue;
            string path = Parameter().Replace(endpoint.RoutePattern.RawText!, "ana");
            using HttpResponseMessage response = await agent.SendAsync(agent.Signed(method, path, HttpMethods.IsGet(method) ? null : "{}"));
            string code = response.StatusCode == HttpStatusCode.Unauthorized ? await CodeAsync(response) : "";
            bool isRight = Open.Contains(name, StringComparer.Ordinal) ? code.Length == 0 : code == "operator_only";
            if (!isRight) answers.Add($"{name}: {(int)response.StatusCode} {code}");
        }
        Assert.Empty(answers);
        foreach (string unknown in (string[])["/v1", "/v1/", "/v1/nothing", "/v1/effects/", "/v1/effects/nothing", "/V1/status", "/v1//status", "/v1/effects/../status", "/v1/effects/%2e%2e/status"])
        {
            using HttpResponseMessage response = await agent.SendAsync(agent.Signed("GET", unknown));
            if (unknown == "/v1/effects/") continue; // the router takes it as /v1/effects, which was signed as it is
            Assert.True(response.StatusCode == HttpStatusCode.Unauthorized, $"{unknown}: {(int)response.StatusCode}");
        }
    }

    private static string NameOf((RouteEndpoint Endpoint, string Method) route) => $"{route.Method} {route.Endpoint.RoutePattern.RawText}";

    private static async Task<string> CodeAsync(HttpResponseMessage response) =>
        JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).TryGetProperty("code", out JsonElement code) ? code.GetString()! : "none";

    [GeneratedRegex(@"\{[^}]+\}", RegexOptions.None, 5_000)]
    private static partial Regex Parameter();
}
