using System.Net;
using Mesh30K.Cli.Config;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Tests.Config;

public sealed class FleetFileTests
{
    private static readonly string Folder = Path.GetTempPath();

    [Fact]
    public void An_empty_file_is_the_reference_fleet()
    {
        FleetFile fleet = FleetFile.DefaultFor(Folder);
        Assert.Equal(new MeshShape(100, 10, 30), fleet.Mesh);
        Assert.Equal([10_000, 8_000, 5_000, 2_000, 3_000, 2_000], fleet.Fleet.AgentsByClass);
        Assert.Equal(1UL, fleet.Fleet.Seed);
        Assert.Equal(500, fleet.Arrival.WindowMs);
        Assert.Equal(5000, fleet.Arrival.TimeoutMs);
        Assert.Equal(PlannerKind.Learned, fleet.Arrival.Planner);
        Assert.Equal(1, fleet.Arrival.BucketMs);
        Assert.Equal(new QuorumSettings(0.95, 0.05, 0.10), fleet.Quorum);
        Assert.Equal(new NodeSettings(new IPEndPoint(IPAddress.Loopback, 7300), null, Path.Combine(Path.GetFullPath(Folder), ".mesh")), fleet.Node);
        Assert.Empty(fleet.Budgets);
    }

    [Fact]
    public void The_example_is_valid()
    {
        FleetFile fleet = FleetFile.Load(Path.Combine(AppContext.BaseDirectory, "fleet.yaml")).OrThrow();
        Assert.Equal(600, fleet.Fleet.AgentsTotal);
        Assert.Equal(2, fleet.Budgets.Count);
    }

    [Fact]
    public void Every_value_is_read()
    {
        using TemporaryFolder folder = new();
        folder.Write("requests.csv", "ms\n1\n");
        Directory.CreateDirectory(Path.Combine(folder.FullName, "rtt"));
        string path = folder.Write("fleet.yaml", """
            mesh: {sectors: 2, clusters_per_sector: 3, agents_per_cluster: 4}
            fleet:
              seed: 8841
              agents: {CLASS_A_EDGE: 10, gpu: 4}
              loss_rate: 0.01
              straggler_rate: 0.02
              straggler_factor: 7.5
              conflict_rate: 1e-3
              path_asymmetry: 0.25
              network_trace: rtt
              service_trace: {file: requests.csv, column: ms, group: model}
            arrival: {window_ms: 50, timeout_ms: 900, planner: fire-now, lead_level: 0.9, dispatch_margin_ms: 2.5, bucket_ms: 1}
            quorum: {required_ready_rate: 0.9, max_conflict_rate: 0.01, max_transit_rate: 0.2}
            node: {listen: "[::1]:7400", loops: 2, data_dir: state}
            budgets:
              - {name: llm, class: CLASS_D_GPU, tokens_per_minute: 90000, burst: 4000}
              - {name: api, capability: search, requests_per_second: 50}
            """);
        FleetFile fleet = FleetFile.Load(path).OrThrow();
        Assert.Equal([10, 0, 0, 4, 0, 0], fleet.Fleet.AgentsByClass);
        Assert.Equal((8841UL, 0.01, 0.02, 7.5, 0.001, 0.25), (fleet.Fleet.Seed, fleet.Fleet.LossRate, fleet.Fleet.StragglerRate, fleet.Fleet.StragglerFactor, fleet.Fleet.ConflictRate, fleet.Fleet.PathAsymmetry));
        Assert.Equal(Path.Combine(folder.FullName, "rtt"), fleet.Fleet.NetworkTrace);
        Assert.Equal(new ServiceTrace(Path.Combine(folder.FullName, "requests.csv"), "ms", "model"), fleet.Fleet.ServiceTrace);
        Assert.Equal((50, 900, PlannerKind.FireNow, 0.9, 2.5, 1), (fleet.Arrival.WindowMs, fleet.Arrival.TimeoutMs, fleet.Arrival.Planner, fleet.Arrival.LeadLevel, fleet.Arrival.DispatchMarginMs, fleet.Arrival.BucketMs));
        Assert.Equal(new QuorumSettings(0.9, 0.01, 0.2), fleet.Quorum);
        Assert.Equal(new NodeSettings(new IPEndPoint(IPAddress.IPv6Loopback, 7400), 2, Path.Combine(folder.FullName, "state")), fleet.Node);
        Assert.Equal((ImpedanceClass.Gpu, null, 90_000.0, 4000), (fleet.Budgets[0].Class, fleet.Budgets[0].RequestsPerSecond, fleet.Budgets[0].TokensPerMinute, fleet.Budgets[0].Burst));
        Assert.Equal(("search", 50.0, null, 1), (fleet.Budgets[1].Capability, fleet.Budgets[1].RequestsPerSecond, fleet.Budgets[1].TokensPerMinute, fleet.Budgets[1].Burst));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(997)]
    [InlineData(30_000)]
    public void A_total_is_split_without_losing_an_agent(int total)
    {
        FleetFile fleet = FleetFile.Parse($"fleet: {{agents: {total}}}", "fleet.yaml").OrThrow();
        Assert.Equal(total, fleet.Fleet.AgentsTotal);
    }

    [Theory]
    [InlineData("mesh:\n  sectrs: 3", "2:3: unknown key \"sectrs\" in mesh", "Did you mean \"sectors\"?")]
    [InlineData("zebra: 1", "1:1: unknown key \"zebra\" in the file", "the file knows: mesh, fleet, arrival, quorum, node, budgets.")]
    [InlineData("mesh: {sectors: 0}", "1:17: mesh.sectors is 0, out of range", "Write a whole number from 1 to 10000.")]
    [InlineData("mesh: {sectors: 1.5}", "1:17: mesh.sectors is \"1.5\", not a whole number", null)]
    [InlineData("mesh: {sectors: '3'}", "1:17: mesh.sectors is \"3\", not a whole number", null)]
    [InlineData("mesh: {sectors: }", "1:17: mesh.sectors is empty, not a whole number", null)]
    [InlineData("mesh: 5", "1:7: mesh is \"5\", not a mapping", null)]
    [InlineData("mesh: [1]", "1:7: mesh is a list, not a mapping", null)]
    [InlineData("mesh: {sectors: 10000, clusters_per_sector: 1000}", "1:7: mesh has 300000000 places for agents", "Use at most 10000000.")]
    [InlineData("fleet: {agents: 0}", "1:17: fleet.agents is 0, out of range", null)]
    [InlineData("fleet: {agents: -5}", "1:17: fleet.agents is -5, out of range", null)]
    [InlineData("fleet: {agents: 30001}", "1:17: 30001 agents do not fit 100 sectors × 10 clusters × 30 agents", "Use at most 30000 agents, or enlarge mesh.")]
    [InlineData("fleet: {agents: {CLASS_A_EDGE: 0}}", "1:17: fleet.agents has no agents", null)]
    [InlineData("fleet: {agents: {CLASS_A_EDGE: -1}}", "1:32: fleet.agents.CLASS_A_EDGE is -1, out of range", null)]
    [InlineData("fleet: {agents: {CLASS_A_EGDE: 1}}", "1:18: unknown class \"CLASS_A_EGDE\" in fleet.agents", "Did you mean \"CLASS_A_EDGE\"?")]
    [InlineData("fleet: {agents: {A: 1, edge: 2}}", "1:24: CLASS_A_EDGE stands twice in fleet.agents", null)]
    [InlineData("fleet: {agents: [1, 2]}", "1:17: fleet.agents is a list, not a whole number", null)]
    [InlineData("fleet: {loss_rate: 1.01}", "1:20: fleet.loss_rate is 1.01, out of range", "Write a number from 0 to 1.")]
    [InlineData("fleet: {loss_rate: -0.1}", "1:20: fleet.loss_rate is -0.1, out of range", null)]
    [InlineData("fleet: {loss_rate: .nan}", "1:20: fleet.loss_rate is \".nan\", not a number", null)]
    [InlineData("fleet: {conflict_rate: many}", "1:24: fleet.conflict_rate is \"many\", not a number", null)]
    [InlineData("fleet: {seed: -1}", "1:15: fleet.seed is -1, out of range", null)]
    [InlineData("fleet: {network_trace: no-such-folder}", "1:24: fleet.network_trace: no such folder: no-such-folder", "The path starts at the folder of the fleet file.")]
    [InlineData("fleet: {service_trace: {column: ms}}", "1:24: fleet.service_trace lacks file", null)]
    [InlineData("arrival: {window_ms: -500}", "1:22: arrival.window_ms is -500, out of range", null)]
    [InlineData("arrival: {window_ms: 0}", "1:22: arrival.window_ms is 0, out of range", null)]
    [InlineData("arrival: {window_ms: 500, timeout_ms: 100}", "1:39: arrival.timeout_ms 100 is below window_ms 500", null)]
    [InlineData("arrival: {planner: lerned}", "1:20: arrival.planner is \"lerned\"", "Did you mean \"learned\"?")]
    [InlineData("arrival: {planner: oracle}", "1:20: arrival.planner is \"oracle\"", "Choose one of: fire-now, spec, learned.")]
    [InlineData("quorum: {required_ready_rate: 95}", "1:31: quorum.required_ready_rate is 95, out of range", null)]
    [InlineData("node: {listen: 7300}", "1:16: node.listen is \"7300\", not an address and port", "Write it like 127.0.0.1:7300 or [::1]:7300.")]
    [InlineData("node: {listen: '127.0.0.1'}", "1:16: node.listen is \"127.0.0.1\", not an address and port", null)]
    [InlineData("node: {listen: '127.0.0.1:70000'}", "1:16: node.listen is \"127.0.0.1:70000\", not an address and port", null)]
    [InlineData("node: {loops: 0}", "1:15: node.loops is 0, out of range", null)]
    [InlineData("budgets: {name: x}", "1:10: budgets is a mapping, not a list", null)]
    [InlineData("budgets: [{class: A, requests_per_second: 1}]", "1:11: budgets[0].name is missing or not a name", null)]
    [InlineData("budgets: [{name: x, requests_per_second: 1}]", "1:11: budget \"x\" needs either class or capability", null)]
    [InlineData("budgets: [{name: x, class: A, capability: b, requests_per_second: 1}]", "1:11: budget \"x\" needs either class or capability", null)]
    [InlineData("budgets: [{name: x, class: A}]", "1:11: budget \"x\" needs either requests_per_second or tokens_per_minute", null)]
    [InlineData("budgets: [{name: x, class: Z, requests_per_second: 1}]", "1:28: unknown class \"Z\"", null)]
    [InlineData("budgets: [{name: x, class: A, requests_per_second: 0}]", "1:52: budgets[0].requests_per_second is 0, out of range", null)]
    [InlineData("budgets: [{name: x, class: A, requests_per_second: 1}, {name: x, class: B, requests_per_second: 1}]", "1:56: two budgets named \"x\"", null)]
    [InlineData("mesh: {sectors: 1}\n---\nmesh: {}", "3:1: a second YAML document", null)]
    [InlineData("[[[[[[[[[[[[[[[[[[[[", "1:17: nested too deeply", null)]
    public void A_bad_value_is_one_message_at_its_place(string text, string expected, string? fix)
    {
        FleetFileError error = FleetFile.Parse(text, Path.Combine(Folder, "fleet.yaml")).Error!;
        Assert.Equal(Path.Combine(Folder, "fleet.yaml") + ":" + expected, error.ToString());
        Assert.NotEmpty(error.Fix);
        if (fix is not null) Assert.Equal(fix, error.Fix);
    }

    [Theory]
    [InlineData("mesh: {sectors: 1", 1)]
    [InlineData("mesh:\n  sectors: 1\n  sectors: 2", 3)]
    [InlineData("mesh:\n\tsectors: 1", 1)]
    [InlineData("a: *nowhere", 1)]
    public void Broken_yaml_is_told_with_its_line(string text, int line)
    {
        FleetFileError error = FleetFile.Parse(text, "fleet.yaml").Error!;
        Assert.StartsWith("not valid YAML: ", error.What, StringComparison.Ordinal);
        Assert.InRange(error.Line, line, line + 1);
        Assert.DoesNotContain('\n', error.ToString());
    }

    [Fact]
    public void Files_that_cannot_be_used_are_told()
    {
        using TemporaryFolder folder = new();
        Assert.Equal("no such file", FleetFile.Load(Path.Combine(folder.FullName, "none.yaml")).Error!.What);
        Assert.Equal("no such file", FleetFile.Load(Path.Combine(folder.FullName, "none", "none.yaml")).Error!.What);
        Assert.StartsWith("cannot be read", FleetFile.Load(folder.FullName).Error!.What, StringComparison.Ordinal);
        Assert.Equal("larger than 1 MiB", FleetFile.Load(folder.Write("big.yaml", new string('#', 1024 * 1024 + 1))).Error!.What);
        string binary = Path.Combine(folder.FullName, "binary.yaml");
        File.WriteAllBytes(binary, [0xff, 0xfe, 0x80]);
        Assert.Equal("not UTF-8 text", FleetFile.Load(binary).Error!.What);
        Assert.Null(FleetFile.Load(folder.Write("full.yaml", new string('#', 1024 * 1024))).Error);
    }

    /// <summary>Bytes that are no fleet file must end in a typed error, never in an exception of another kind.</summary>
    [Fact]
    public void Any_mutation_of_the_example_is_read_or_refused()
    {
        string example = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "fleet.yaml"));
        const string alphabet = "{}[]:,-#&*!|>'\"%@` \n\tx0~?";
        Random random = new(8841);
        for (int i = 0; i < 3000; i++)
        {
            char[] text = example.ToCharArray();
            for (int n = random.Next(1, 4); n > 0; n--) text[random.Next(text.Length)] = alphabet[random.Next(alphabet.Length)];
            FleetFileResult result = FleetFile.Parse(new string(text), Path.Combine(Folder, "fleet.yaml"));
            Assert.True(result.File is null != result.Error is null, $"replay: seed 8841, mutation {i}");
        }
    }
}
