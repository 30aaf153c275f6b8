using System.Net;
using System.Text.Json;

namespace Mesh30K.Node.Tests.Api.Operations;

public sealed class OperationEndpointTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_cascade_that_is_waited_for_answers_with_its_result()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement o = await mesh.RunAsync("""{"cascade":"wave","verb":"act","payload":{"task":"x"},"target_in_ms":2000,"window_ms":3000,"timeout_ms":8000,"priority":3}""");
        Assert.Equal(("ended", "SUCCESS", "wave", "act", 3), (Text(o, "state"), Text(o, "status"), Text(o, "cascade"), Text(o, "verb"), o.GetProperty("priority").GetInt32()));
        Assert.Equal("PROCEED", Text(o.GetProperty("decision"), "decision"));
        JsonElement counts = o.GetProperty("counts");
        Assert.Equal((300, 10), (counts.GetProperty("targets").GetInt32(), counts.GetProperty("skipped").GetInt32()));
        Assert.Equal((286, 2, 2), (counts.GetProperty("ready").GetInt32(), counts.GetProperty("conflict").GetInt32(), counts.GetProperty("transit").GetInt32()));
        Assert.Equal((3, 30, 288), (o.GetProperty("sectors_reached").GetInt32(), o.GetProperty("clusters_reached").GetInt32(), o.GetProperty("agents_reached").GetInt32()));
        Assert.True(o.GetProperty("arrival").GetProperty("prediction_error_ms").GetProperty("p90").GetDouble() >= 0);
        Assert.EndsWith("Z", Text(o, "submitted_at"), StringComparison.Ordinal);
        Assert.True(o.GetProperty("total_ms").GetDouble() > 0);
        Assert.Equal(o.GetRawText(), (await mesh.GetAsync($"/v1/operations/{Text(o, "operation_id")}")).GetRawText());
        Assert.Equal(Text(o, "operation_id"), Text((await mesh.GetAsync("/v1/operations?limit=1&state=ended")).GetProperty("operations")[0], "operation_id"));
    }

    [Fact]
    public async Task An_operation_in_progress_is_seen_as_such_and_events_tell_its_life()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        using HttpResponseMessage events = await mesh.Client.GetAsync("/v1/events", HttpCompletionOption.ResponseHeadersRead, Cancel);
        using StreamReader lines = new(await events.Content.ReadAsStreamAsync(Cancel));
        mesh.Link.Hold = true;
        using HttpResponseMessage accepted = await mesh.PostAsync("""{"strategy":"broadcast","selector":{"agents":["edge-014","edge-016"]},"timeout_ms":20000}""");
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        string location = accepted.Headers.Location!.ToString();
        Assert.Equal("operation.submitted", await EventAsync(lines));
        Assert.Equal("operation.started", await EventAsync(lines));
        JsonElement running = await mesh.GetAsync(location);
        Assert.Equal("running", Text(running, "state"));
        Assert.False(running.TryGetProperty("decision", out _));
        await ApiFixture.Problem(await mesh.Client.GetAsync(location + "/roster", Cancel), HttpStatusCode.Conflict);
        Assert.Equal(1, (await mesh.GetAsync("/v1/operations?state=running")).GetProperty("operations").GetArrayLength());
        mesh.Link.Release();
        Assert.Equal("operation.ended", await EventAsync(lines));
    }

    [Theory]
    [InlineData("""{"window_mss":5}""", "window_mss", "window_ms")]
    [InlineData("""{"selector":{"clas":"gpu"}}""", "selector.clas", "class")]
    [InlineData("""{"selector":{"class":"gpux"}}""", "selector.class", "did you mean gpu")]
    [InlineData("""{"verb":"sing"}""", "verb", "observe, orient")]
    [InlineData("""{"verb":5}""", "verb", "must be a text")]
    [InlineData("""{"strategy":"brodcast"}""", "strategy", "did you mean broadcast")]
    [InlineData("""{"cascade":"waves"}""", "cascade", "did you mean wave")]
    [InlineData("""{"window_ms":0}""", "window_ms", "above 0")]
    [InlineData("""{"window_ms":-5}""", "window_ms", "was -5")]
    [InlineData("""{"window_ms":"500"}""", "window_ms", "must be a number")]
    [InlineData("""{"timeout_ms":1e999}""", "timeout_ms", "at most 86400000")]
    [InlineData("""{"priority":4}""", "priority", "3 (critical)")]
    [InlineData("""{"planner":"oracle"}""", "planner", "simulations only")]
    [InlineData("""{"selector":{"agents":["edge-014","nobody"]}}""", "selector.agents", "nobody")]
    [InlineData("""{"selector":{"agents":[]}}""", "selector.agents", "at least one")]
    [InlineData("""{"selector":{"sector":3}}""", "selector.sector", "0 to 2")]
    [InlineData("""{"selector":{"cluster":1}}""", "selector.cluster", "needs the sector")]
    [InlineData("""{"selector":{"sample":0}}""", "selector.sample", "at least 1")]
    [InlineData("""{"required_ready_rate":1.5}""", "required_ready_rate", "between 0 and 1")]
    [InlineData("""{"lead_level":1}""", "lead_level", "below 1")]
    [InlineData("""{"strategy":"pipeline"}""", "operation", "at least one stage")]
    [InlineData("""{"stages":[{"sectr":1}],"strategy":"pipeline"}""", "stages[0].sectr", "sector")]
    [InlineData("""{"selector":{"capability":""}}""", "selector.capability", "must not be empty")]
    [InlineData("""{"required_capabilities":["x",""]}""", "required_capabilities", "empty name")]
    [InlineData("""[]""", "the body", "must be an object")]
    public async Task What_is_wrong_is_named(string json, string field, string message)
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement problem = await ApiFixture.Problem(await mesh.PostAsync(json), HttpStatusCode.BadRequest);
        JsonElement error = Assert.Single(problem.GetProperty("errors").EnumerateArray());
        Assert.Equal(field, Text(error, "field"));
        Assert.Contains(message, ApiFixture.Detail(problem), StringComparison.Ordinal);
        Assert.Equal(0, mesh.Link.Delivered);
    }

    [Theory]
    [InlineData("""{"required_capabilities":["visoin"]}""", "None of the 300 selected agents has the capability visoin", "visoin", "route,vision")]
    [InlineData("""{"required_capabilities":["route","vision"],"selector":{"class":"edge"}}""", "agents has the capability vision", "vision", "route")]
    [InlineData("""{"selector":{"capability":"hash"}}""", "has the capability hash", "hash", "route,vision")]
    [InlineData("""{"strategy":"pipeline","required_capabilities":["vision"],"stages":[{"class":"gpu"},{"agents":["edge-014"]}]}""", "None of the 1 selected agents", "vision", "route")]
    public async Task What_none_of_the_selected_can_do_is_refused_with_the_conflict(string json, string says, string missing, string held)
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement problem = await ApiFixture.Problem(await mesh.PostAsync(json), HttpStatusCode.Conflict);
        Assert.Equal("capability_mismatch", Text(problem, "code"));
        Assert.Contains(says, ApiFixture.Detail(problem), StringComparison.Ordinal);
        JsonElement conflict = problem.GetProperty("conflict");
        Assert.Equal("CAPABILITY_MISMATCH", Text(conflict, "type"));
        Assert.Equal((missing, held), (Joined("expected_value"), Joined("received_value")));
        Assert.Equal(0, mesh.Link.Delivered);
        string Joined(string name) => string.Join(',', conflict.GetProperty(name).EnumerateArray().Select(v => v.GetString()));
    }

    [Fact]
    public async Task Who_lacks_a_capability_that_others_have_is_in_the_roster_with_the_conflict()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        string id = Text(await mesh.RunAsync("""{"required_capabilities":["vision"],"selector":{"agents":["edge-014","gpu-015"]},"strategy":"direct","window_ms":3000,"timeout_ms":5000}"""), "operation_id");
        JsonElement entry = Assert.Single((await mesh.GetAsync($"/v1/operations/{id}/roster")).GetProperty("roster").EnumerateArray());
        Assert.Equal(("edge-014", "CAPABILITY_MISMATCH"), (Text(entry, "agent_id"), Text(entry, "conflict_type")));
        Assert.Equal(("[\"vision\"]", "[\"route\"]"), (entry.GetProperty("expected_value").GetRawText(), entry.GetProperty("received_value").GetRawText()));
    }

    [Fact]
    public async Task All_that_is_wrong_is_told_at_once()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement problem = await ApiFixture.Problem(
            await mesh.PostAsync("""{"verb":"sing","priority":9,"planer":"x","selector":{"agents":["no-1","no-2"]}}""", "?wiat=true"), HttpStatusCode.BadRequest);
        string[] fields = [.. problem.GetProperty("errors").EnumerateArray().Select(e => Text(e, "field"))];
        Assert.Equal(["wiat", "planer", "verb", "selector.agents", "selector.agents", "priority"], fields);
    }

    [Theory]
    [InlineData("{\"verb\":\"act\",}", HttpStatusCode.BadRequest)]
    [InlineData("{\"verb\":\"act\",\"verb\":\"sync\"}", HttpStatusCode.BadRequest)]
    [InlineData("", HttpStatusCode.BadRequest)]
    [InlineData("null", HttpStatusCode.BadRequest)]
    public async Task Broken_json_is_a_400(string json, HttpStatusCode status)
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        await ApiFixture.Problem(await mesh.PostAsync(json), status);
    }

    [Fact]
    public async Task A_body_of_10_MB_is_refused_and_the_node_lives()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        try
        {
            using HttpResponseMessage refused = await mesh.PostAsync($$"""{"payload":"{{new string('x', 10_000_000)}}"}""");
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
        }
        catch (HttpRequestException)
        {
            // The server may close while the client still sends: that is an answer too.
        }
        Assert.Equal("FULL", Text(await mesh.GetAsync("/v1/status"), "mode"));
    }

    [Fact]
    public async Task The_roster_names_who_did_not_make_it_and_why_in_pages()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        string id = Text(await mesh.RunAsync("""{"target_in_ms":4000,"window_ms":3000,"timeout_ms":8000}"""), "operation_id");
        JsonElement whole = await mesh.GetAsync($"/v1/operations/{id}/roster");
        Assert.Equal(14, whole.GetProperty("total").GetInt32());
        JsonElement late = await mesh.GetAsync($"/v1/operations/{id}/roster?reason=insufficient_lead_time&limit=1");
        JsonElement human = late.GetProperty("roster")[0];
        Assert.StartsWith("human-", Text(human, "agent_id"), StringComparison.Ordinal);
        Assert.Equal(
            human.GetProperty("needed_ms").GetDouble() - human.GetProperty("available_ms").GetDouble(), human.GetProperty("missing_ms").GetDouble(), 0.1);
        Assert.Equal("DATA_CONTRADICTION", Text((await mesh.GetAsync($"/v1/operations/{id}/roster?outcome=conflict")).GetProperty("roster")[0], "conflict_type"));
        List<string> seen = [];
        for (string? after = "0"; after is not null;)
        {
            JsonElement page = await mesh.GetAsync($"/v1/operations/{id}/roster?limit=5&after={after}");
            seen.AddRange(page.GetProperty("roster").EnumerateArray().Select(r => Text(r, "agent_id")));
            after = page.TryGetProperty("next_after", out JsonElement next) ? next.GetString() : null;
        }
        Assert.Equal(14, seen.Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(14, seen.Count);
        await ApiFixture.Problem(await mesh.Client.GetAsync($"/v1/operations/{id}/roster?outcome=lost", Cancel), HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Answers_are_grouped_and_conflicts_counted()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement asked = await mesh.RunAsync("""{"collect_answers":true,"window_ms":3000,"timeout_ms":5000,"payload":"hash?"}""");
        JsonElement answers = asked.GetProperty("answers");
        Assert.Equal(286, answers.GetProperty("kept").GetInt32());
        Assert.Equal(["\"a\"", "\"b\""], answers.GetProperty("groups").EnumerateArray().Select(g => Text(g, "value")));
        Assert.Equal(2, answers.GetProperty("conflict_types")[0].GetProperty("agents").GetInt32());
        JsonElement single = await mesh.GetAsync($"/v1/operations/{Text(asked, "operation_id")}/answers?limit=3");
        Assert.Equal((286, 3), (single.GetProperty("total").GetInt32(), single.GetProperty("answers").GetArrayLength()));
        JsonElement sampled = await mesh.RunAsync("""{"selector":{"sample":10,"capability":"vision"},"window_ms":3000,"timeout_ms":5000}""");
        Assert.Equal(10, sampled.GetProperty("counts").GetProperty("targets").GetInt32());
    }

    [Fact]
    public async Task Agents_are_chosen_by_id()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        JsonElement direct = await mesh.RunAsync("""{"strategy":"direct","selector":{"agents":["edge-014","gpu-015"]},"window_ms":3000,"timeout_ms":5000}""");
        Assert.Equal((2, 2), (direct.GetProperty("counts").GetProperty("targets").GetInt32(), mesh.Link.Delivered));
    }

    [Fact]
    public async Task A_dry_run_counts_and_sends_nothing()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        using HttpResponseMessage response = await mesh.PostAsync("""{"cascade":"priority-first","required_capabilities":["vision"]}""", "?dry_run=true");
        JsonElement run = JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync(Cancel));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal((300, 145, 10), (run.GetProperty("targets").GetInt32(), run.GetProperty("would_send").GetInt32(), run.GetProperty("would_skip").GetProperty("class_not_in_cascade").GetInt32()));
        Assert.Equal(145, run.GetProperty("would_skip").GetProperty("capability_missing").GetInt32());
        Assert.Equal(0, mesh.Link.Delivered);
        Assert.Equal(0, (await mesh.GetAsync("/v1/operations")).GetProperty("operations").GetArrayLength());
    }

    [Fact]
    public async Task A_node_that_stops_lets_operations_end_and_takes_no_new_ones()
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        mesh.Link.Hold = true;
        Task<JsonElement> running = mesh.RunAsync("""{"strategy":"broadcast","selector":{"agents":["edge-014","edge-016"]},"timeout_ms":20000}""");
        while (mesh.Link.Delivered == 0) await Task.Yield();
        Task<int> draining = mesh.Server.Api.DrainAsync(ApiFixture.Generous);
        await ApiFixture.Problem(await mesh.PostAsync("{}"), HttpStatusCode.ServiceUnavailable);
        mesh.Link.Release();
        Assert.Equal(0, await draining);
        Assert.Equal("ended", Text(await running, "state"));
    }

    [Theory]
    [InlineData("/v1/operations/01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    [InlineData("/v1/operations/nonsense")]
    [InlineData("/v1/operations/nonsense/roster")]
    [InlineData("/v1/agents/nobody")]
    [InlineData("/v1/sectors/3")]
    [InlineData("/v1/sectors/-1")]
    public async Task What_is_not_there_is_a_404(string path)
    {
        await using MeshFixture mesh = await MeshFixture.StartAsync();
        await ApiFixture.Problem(await mesh.Client.GetAsync(path, Cancel), HttpStatusCode.NotFound);
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static async Task<string> EventAsync(StreamReader lines)
    {
        while (true)
        {
            string? line = await lines.ReadLineAsync(Cancel).AsTask().WaitAsync(ApiFixture.Generous, Cancel);
            Assert.NotNull(line);
            if (line.StartsWith("event: ", StringComparison.Ordinal)) return line["event: ".Length..];
        }
    }
}
