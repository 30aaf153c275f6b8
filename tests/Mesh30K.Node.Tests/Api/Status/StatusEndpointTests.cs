using System.Net;
using System.Text.Json;
using Mesh30K.Node.Api.Status;

namespace Mesh30K.Node.Tests.Api.Status;

public sealed class StatusEndpointTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Status_tells_the_mesh_at_a_glance()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement before = await mesh.GetAsync("/v1/status");
        Assert.Equal((300, 300, 3, 3), (Int(before, "agents_active"), Int(before, "agents_total"), Int(before, "sectors_healthy"), Int(before, "sectors_total")));
        Assert.Equal("FULL", before.GetProperty("mode").GetString());
        Assert.False(before.TryGetProperty("last_cascade", out _));
        await mesh.RunAsync("""{"cascade":"parallel","window_ms":300,"timeout_ms":2000}""");
        JsonElement after = await mesh.GetAsync("/v1/status");
        Assert.Equal(2, Int(after, "conflicts_last_hour"));
        Assert.Equal("parallel", after.GetProperty("last_cascade").GetProperty("cascade").GetString());
        Assert.Equal(2, after.GetProperty("host").GetProperty("loops").GetArrayLength());
        Assert.InRange(after.GetProperty("host").GetProperty("loops")[0].GetProperty("busy_share").GetDouble(), 0, 1);
        Assert.Equal(0, Int(after.GetProperty("host"), "lost_batches"));
    }

    [Theory]
    [InlineData(1, "FULL")]
    [InlineData(0.95, "FULL")]
    [InlineData(0.949, "DEGRADED_LIGHT")]
    [InlineData(0.80, "DEGRADED_LIGHT")]
    [InlineData(0.60, "DEGRADED_MODERATE")]
    [InlineData(0.30, "DEGRADED_SEVERE")]
    [InlineData(0.299, "EMERGENCY")]
    public void Modes_have_the_limits_of_the_specification(double activeRate, string mode) => Assert.Equal(mode, StatusEndpoints.ModeOf(activeRate));

    [Fact]
    public async Task Agents_are_filtered_sorted_and_paged()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        Assert.Equal(10, Int(await mesh.GetAsync("/v1/agents?class=human"), "total"));
        Assert.Equal(300, Int(await mesh.GetAsync("/v1/agents?state=active"), "total"));
        Assert.Equal(10, Int(await mesh.GetAsync("/v1/agents?sector=1&cluster=2"), "total"));
        Assert.Equal(150, Int(await mesh.GetAsync("/v1/agents?capability=vision"), "total"));
        foreach (string sort in (string[])["id", "impedance"])
        {
            List<string> seen = [];
            for (string? after = ""; after is not null;)
            {
                JsonElement page = await mesh.GetAsync($"/v1/agents?limit=70&sort={sort}{(after.Length == 0 ? "" : "&after=" + Uri.EscapeDataString(after))}");
                seen.AddRange(page.GetProperty("agents").EnumerateArray().Select(a => a.GetProperty("agent_id").GetString()!));
                after = page.TryGetProperty("next_after", out JsonElement next) ? next.GetString() : null;
            }
            Assert.Equal((300, 300), (seen.Count, seen.Distinct(StringComparer.Ordinal).Count()));
        }
        JsonElement one = await mesh.GetAsync("/v1/agents/gpu-015");
        Assert.Equal("CLASS_D_GPU", one.GetProperty("agent_class").GetString());
    }

    [Theory]
    [InlineData("/v1/agents?limit=0", "limit")]
    [InlineData("/v1/agents?limit=1001", "limit")]
    [InlineData("/v1/agents?clas=gpu", "clas")]
    [InlineData("/v1/agents?class=gpux", "class")]
    [InlineData("/v1/agents?state=happy", "state")]
    [InlineData("/v1/agents?sector=3", "sector")]
    [InlineData("/v1/agents?cluster=1", "cluster")]
    [InlineData("/v1/agents?sort=impedance&after=x", "after")]
    [InlineData("/v1/operations?state=done", "state")]
    [InlineData("/v1/status?x=1", "x")]
    public async Task Wrong_queries_are_named(string path, string field)
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement problem = await ApiFixture.Problem(await mesh.Client.GetAsync(path, Cancel), HttpStatusCode.BadRequest);
        Assert.Equal(field, Assert.Single(problem.GetProperty("errors").EnumerateArray()).GetProperty("field").GetString());
    }

    [Fact]
    public async Task Sectors_show_their_clusters()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        Assert.Equal((3, 3), (Int(await mesh.GetAsync("/v1/sectors"), "total"), Int(await mesh.GetAsync("/v1/sectors"), "healthy")));
        JsonElement sector = await mesh.GetAsync("/v1/sectors/2");
        Assert.Equal("sector/2", sector.GetProperty("sector").GetProperty("sector_id").GetString());
        Assert.Equal(10, sector.GetProperty("clusters").GetArrayLength());
    }

    private static int Int(JsonElement element, string name) => element.GetProperty(name).GetInt32();
}
