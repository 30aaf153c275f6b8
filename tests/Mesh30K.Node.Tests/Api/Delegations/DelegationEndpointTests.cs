using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Mesh30K.Node.Tests.Api.Delegations;

public sealed class DelegationEndpointTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Task<HttpResponseMessage> PostAsync(MeshFixture mesh, string json) =>
        mesh.Client.PostAsync("/v1/delegations", new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json")), Cancel);

    private static async Task<JsonElement> DelegateAsync(MeshFixture mesh, string json, HttpStatusCode status = HttpStatusCode.OK)
    {
        using HttpResponseMessage response = await PostAsync(mesh, json);
        string text = await response.Content.ReadAsStringAsync(Cancel);
        Assert.True(response.StatusCode == status, text);
        return JsonSerializer.Deserialize<JsonElement>(text);
    }

    private static string Outcomes(JsonElement delegation) =>
        string.Join(' ', delegation.GetProperty("candidates").EnumerateArray().Select(c => c.GetProperty("outcome").GetString()).Where(o => o != "not_asked"));

    [Fact]
    public async Task When_the_first_will_not_the_next_does_it_and_it_can_be_read_later()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement done = await DelegateAsync(mesh, """{"task":{"describe":"picture"},"capability":"vision"}""");
        // All are as good; then the ids decide, and conflict-011 comes first.
        Assert.Equal(("ended", "DONE", "conflict done"), (done.GetProperty("state").GetString(), done.GetProperty("outcome").GetString(), Outcomes(done)));
        JsonElement winner = done.GetProperty("candidates").EnumerateArray().First(c => c.GetProperty("outcome").GetString() == "done");
        Assert.Equal(done.GetProperty("agent_id").GetString(), winner.GetProperty("agent_id").GetString());
        Assert.Contains(done.GetProperty("result").GetString(), (string[])["a", "b"]);
        Assert.Equal(2, mesh.Link.Delivered);
        JsonElement again = await mesh.GetAsync($"/v1/delegations/{done.GetProperty("delegation_id").GetString()}");
        Assert.Equal(done.GetRawText(), again.GetRawText());
        JsonElement operation = await mesh.GetAsync($"/v1/operations/{winner.GetProperty("operation_id").GetString()}");
        Assert.Equal("ended", operation.GetProperty("state").GetString());
    }

    [Fact]
    public async Task Who_answers_CONFLICT_could_not_and_who_is_silent_times_out()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement could = await DelegateAsync(mesh, """{"task":1,"to":"conflict-010"}""");
        Assert.Equal(("NOBODY_COULD", "conflict"), (could.GetProperty("outcome").GetString(), Outcomes(could)));
        Assert.Equal("DATA_CONTRADICTION", could.GetProperty("candidates")[0].GetProperty("why").GetString());
        JsonElement silent = await DelegateAsync(mesh, """{"task":1,"to":"silent-012","timeout_ms":3000}""");
        Assert.Equal(("TIMED_OUT", "timed_out"), (silent.GetProperty("outcome").GetString(), Outcomes(silent)));
        Assert.True(silent.GetProperty("duration_ms").GetDouble() >= 3000);
    }

    [Fact]
    public async Task A_hedge_asks_a_second_when_the_first_is_late_and_the_slower_is_cancelled()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        mesh.Link.Hold = true;
        Task<JsonElement> waiting = DelegateAsync(mesh, """{"task":1,"to":"CLASS_D_GPU","hedge":true,"timeout_ms":60000}""");
        for (long start = Environment.TickCount64; mesh.Link.Delivered < 2; await Task.Delay(5, Cancel))
            Assert.True(Environment.TickCount64 - start < 30_000, $"{mesh.Link.Delivered} were asked, not 2");
        mesh.Link.ReleaseNewest();
        JsonElement done = await waiting;
        Assert.Equal("DONE", done.GetProperty("outcome").GetString());
        Assert.Equal("cancelled done", Outcomes(done));
        Assert.Equal(2, mesh.Link.Delivered);
    }

    [Fact]
    public async Task Without_a_hedge_one_is_asked_and_without_waiting_the_answer_comes_at_once()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        mesh.Link.Hold = true;
        JsonElement running = await DelegateAsync(mesh, """{"task":1,"to":"gpu-015","wait":false}""", HttpStatusCode.Accepted);
        Assert.Equal("running", running.GetProperty("state").GetString());
        string path = $"/v1/delegations/{running.GetProperty("delegation_id").GetString()}";
        for (long start = Environment.TickCount64; mesh.Link.Delivered < 1; await Task.Delay(5, Cancel)) Assert.True(Environment.TickCount64 - start < 30_000, "nobody was asked");
        mesh.Link.Release();
        JsonElement seen = running;
        for (long start = Environment.TickCount64; seen.GetProperty("state").GetString() == "running"; seen = await mesh.GetAsync(path)) Assert.True(Environment.TickCount64 - start < 30_000, "it does not end");
        Assert.Equal(("DONE", "done", 1), (seen.GetProperty("outcome").GetString(), Outcomes(seen), mesh.Link.Delivered));
    }

    [Theory]
    [InlineData("""{"task":1,"capability":"visoin"}""", "No agent has the capability visoin")]
    [InlineData("""{"task":1,"capability":"visoin","to":"CLASS_D_GPU"}""", "No agent of CLASS_D_GPU has the capability visoin")]
    [InlineData("""{"task":1,"capability":"vision","to":"edge-014"}""", "Not even edge-014 has the capability vision")]
    public async Task What_nobody_can_do_is_refused_with_the_conflict(string json, string says)
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement refused = await DelegateAsync(mesh, json, HttpStatusCode.Conflict);
        Assert.Equal("capability_mismatch", refused.GetProperty("code").GetString());
        Assert.StartsWith(says, ApiFixture.Detail(refused), StringComparison.Ordinal);
        Assert.Equal("CAPABILITY_MISMATCH", refused.GetProperty("conflict").GetProperty("type").GetString());
        Assert.Equal(0, mesh.Link.Delivered);
    }

    [Theory]
    [InlineData("""{}""", "task")]
    [InlineData("""{"task":1,"to":"nobody-1"}""", "to")]
    [InlineData("""{"task":1,"capability":""}""", "capability")]
    [InlineData("""{"task":1,"timeout_ms":0}""", "timeout_ms")]
    [InlineData("""{"task":1,"priority":4}""", "priority")]
    [InlineData("""{"task":1,"hedged":true}""", "hedged")]
    public async Task A_wrong_field_is_named(string json, string field)
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement problem = await DelegateAsync(mesh, json, HttpStatusCode.BadRequest);
        Assert.Equal(field, problem.GetProperty("errors")[0].GetProperty("field").GetString());
    }
}
