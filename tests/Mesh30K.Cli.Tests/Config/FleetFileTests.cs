using System.Net;
using Mesh30K.Cli.Config;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Impedance.Estimation;
using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Cli.Tests.Config;

public sealed class FleetFileTests
{
    private static readonly string Folder = Path.GetTempPath();

    /// <summary>Compared with the types' own defaults, so that a default has one home.</summary>
    [Fact]
    public void An_empty_file_is_the_reference_fleet_with_the_defaults_of_the_core()
    {
        FleetFile fleet = FleetFile.LoadOrDefault(null, Folder);
        Assert.Equal(MeshShape.Reference, fleet.Mesh);
        Assert.Equal(new FleetOptions(), fleet.Fleet);
        Assert.Equal([10_000, 8_000, 5_000, 2_000, 3_000, 2_000], CountsOf(fleet));
        Assert.Equal(new ArrivalOptions(), fleet.Arrival);
        Assert.Equal(new OperationSpec(), fleet.Operation());
        Assert.Equal(new QuorumThresholds(), fleet.Quorum);
        Assert.Equal(new NodeSettings(new IPEndPoint(IPAddress.Loopback, 7300), null, Path.Combine(Path.GetFullPath(Folder), ".mesh")), fleet.Node);
        Assert.Empty(fleet.Budgets);
        MeshSettings settings = fleet.Settings();
        Assert.Equal((MeshShape.Reference, new ArrivalOptions(), new EstimatorOptions()), (settings.Shape, settings.Arrival, settings.Estimation));
    }

    [Fact]
    public void A_file_says_which_webhooks_may_be_called()
    {
        FleetFile file = FleetFile.Parse("node: {webhooks: {allow: [\"https://agents.example.com/hooks/\", \"http://127.0.0.1:9000/\"]}}", "fleet.yaml").OrThrow();
        Assert.Equal(["https://agents.example.com/hooks/", "http://127.0.0.1:9000/"], file.Node.WebhooksAllowed);
        CliException wrong = Assert.Throws<CliException>(() => FleetFile.Parse("node: {webhooks: {allow: [\"ftp://agents.example.com/\"]}}", "fleet.yaml").OrThrow());
        Assert.Contains("node.webhooks.allow", wrong.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_may_leave_room_for_agents_that_join()
    {
        FleetFile none = FleetFile.EmptyFor(Folder);
        Assert.Equal((MeshShape.Reference, 0), (none.Mesh, none.Fleet.Agents));
        FleetFile some = FleetFile.Parse("mesh: {sectors: 2}\nfleet: {agents: 150}", "fleet.yaml").OrThrow();
        Assert.Equal((600, 150), (some.Mesh.Capacity, some.Fleet.Agents));
    }

    [Fact]
    public void The_example_builds_a_mesh()
    {
        FleetFile file = FleetFile.Load(Path.Combine(AppContext.BaseDirectory, "fleet.yaml")).OrThrow();
        FleetBlueprint fleet = file.LoadFleet();
        Assert.Equal(600, fleet.Agents);
        AgentDescription Describe(int i) => new(fleet.IdOf(i), fleet.ClassOf(i), fleet.CapabilitiesOf(i));
        MeshAssembly mesh = MeshAssembly.Build(file.Settings(), fleet.Agents, Describe, new PlannerSet(), _ => new SectorScratch());
        Assert.Equal(600, mesh.Places.Length);
        Assert.All(file.Budgets, b => Assert.Contains(Enumerable.Range(0, fleet.Agents).Select(Describe), a => Binds(b, a)));
        Assert.Null(file.Operation().Validate());
    }

    [Fact]
    public void Every_value_is_read()
    {
        using TemporaryFolder folder = new();
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
            arrival: {window_ms: 50, timeout_ms: 900, planner: fire-now, lead_level: 0.9, dispatch_margin_ms: 2.5, bucket_ms: 2, target_share: 0.9}
            quorum: {required_ready_rate: 0.9, max_conflict_rate: 0.01, max_transit_rate: 0.2}
            node: {listen: "[::1]:7400", loops: 2, data_dir: state, agents_max: 77}
            budgets:
              - {name: llm, class: CLASS_D_GPU, tokens_per_minute: 90000, tokens_per_request: 1500}
              - {name: api, class: B, capability: search, requests_per_second: 50}
            """);
        FleetFile file = FleetFile.Load(path).OrThrow();
        Assert.Equal(new MeshShape(2, 3, 4), file.Mesh);
        Assert.Equal([10, 0, 0, 4, 0, 0], CountsOf(file));
        FleetOptions expected = new()
        {
            Agents = 14,
            ClassShares = file.Fleet.ClassShares,
            Seed = 8841,
            LossRate = 0.01,
            StragglerRate = 0.02,
            StragglerFactor = 7.5f,
            ConflictRate = 0.001,
            PathAsymmetry = 0.25,
        };
        Assert.Equal(expected, file.Fleet);
        Assert.Equal(new ArrivalOptions { BucketMs = 2, DispatchMarginMs = 2.5, TargetShare = 0.9 }, file.Settings().Arrival);
        QuorumThresholds quorum = new() { RequiredReadyRate = 0.9, MaxConflictRate = 0.01, MaxTransitRate = 0.2 };
        Assert.Equal(new OperationSpec { WindowMs = 50, TimeoutMs = 900, Planner = PlannerKind.FireNow, LeadLevel = 0.9f, Thresholds = quorum }, file.Operation());
        Assert.Equal(new NodeSettings(new IPEndPoint(IPAddress.IPv6Loopback, 7400), 2, Path.Combine(folder.FullName, "state")) { AgentsMax = 77 }, file.Node);
        Assert.Equal(Path.Combine(folder.FullName, "state", "operator.key"), file.Node.OperatorKeyFile);
        Assert.Equal(
            [new GroupBudget(new RateBudget("llm", 1), ImpedanceClass.Gpu, null), new GroupBudget(new RateBudget("api", 50), ImpedanceClass.Serverless, "search")],
            file.Settings().Budgets);
    }

    [Fact]
    public void Traces_are_read_when_the_fleet_is_loaded()
    {
        using TemporaryFolder folder = new();
        folder.Write("requests.csv", "model,ms\na,12\nb,30\na,14\n");
        Directory.CreateDirectory(Path.Combine(folder.FullName, "rtt"));
        folder.Write(Path.Combine("rtt", "one.csv"), "epoch;rtt;cp\n1;20.5;0\n2;21;0\n");
        string path = folder.Write("fleet.yaml", "fleet: {agents: 7, network_trace: rtt, service_trace: {file: requests.csv, column: ms, group: model}}");
        FleetFile file = FleetFile.Load(path).OrThrow();
        Assert.Equal(Path.Combine(folder.FullName, "rtt"), file.NetworkTraceFolder);
        Assert.Equal(new ServiceTraceSource(Path.Combine(folder.FullName, "requests.csv"), "ms", "model"), file.ServiceTraceSource);
        FleetBlueprint fleet = file.LoadFleet();
        Assert.Equal(["a", "b"], fleet.Options.ServiceTrace!.Groups);
        Assert.Equal("one", Assert.Single(fleet.Options.NetworkTrace!.Paths).Name);
    }

    [Theory]
    [InlineData("epoch;rtt;cp\n1;soon;0\n", "one.csv:2: 'soon' in column 'rtt'")]
    [InlineData("epoch;delay;cp\n1;20;0\n", "one.csv:1: no column 'rtt'")]
    [InlineData("", "one.csv: has no data rows")]
    public void A_bad_trace_is_an_error_of_the_file_with_its_line(string trace, string expected)
    {
        using TemporaryFolder folder = new();
        folder.Write("one.csv", trace);
        FleetFile file = FleetFile.Load(folder.Write("fleet.yaml", "fleet: {network_trace: .}")).OrThrow();
        CliError error = Assert.Throws<CliException>(file.LoadFleet).Error;
        Assert.Equal((ExitCode.Usage, "fleet_file"), (error.Exit, error.Code));
        Assert.StartsWith(Path.Combine(folder.FullName, "fleet.yaml") + ": ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith(expected, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("Expected ", error.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{A: 1}")]
    [InlineData("{A: 1, B: 2, C: 3, D: 5, E: 7, F: 11}")]
    [InlineData("{A: 333333, B: 1, C: 777777, F: 999983}")]
    [InlineData("{B: 9999999, F: 1}")]
    public void Counts_by_class_are_kept_exactly(string agents)
    {
        FleetFile file = FleetFile.Parse($"fleet: {{agents: {agents}}}", "fleet.yaml").OrThrow();
        Assert.Equal(ImpedanceClasses.All.Select(c => (int)file.Fleet.ClassShares!.GetValueOrDefault(c)), CountsOf(file));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(997)]
    [InlineData(30_000)]
    public void A_total_is_split_without_losing_an_agent(int total) =>
        Assert.Equal(total, CountsOf(FleetFile.Parse($"fleet: {{agents: {total}}}", "fleet.yaml").OrThrow()).Sum());

    [Theory]
    [InlineData("fleet: {agents: 5}", 1, 5)]
    [InlineData("fleet: {agents: 301}", 2, 301)]
    [InlineData("fleet: {agents: {D: 900}}", 3, 900)]
    [InlineData("fleet: {agents: 30001}", 101, 30_001)]
    [InlineData("mesh: {}\nfleet: {agents: 5}", 1, 5)]
    [InlineData("mesh: {sectors: 7}\nfleet: {agents: 5}", 7, 5)]
    [InlineData("mesh: {sectors: 7}", 7, 2_100)]
    [InlineData("mesh: {sectors: 100000}", 100_000, 10_000_000)]
    public void Without_a_shape_the_fleet_decides_and_without_a_fleet_the_shape(string text, int sectors, int agents)
    {
        FleetFile file = FleetFile.Parse(text, "fleet.yaml").OrThrow();
        Assert.Equal((sectors, agents), (file.Mesh.Sectors, file.Fleet.Agents));
    }

    [Theory]
    [InlineData("mesh:\n  sectrs: 3", "2:3: unknown key \"sectrs\" in mesh", "Did you mean \"sectors\"?")]
    [InlineData("zebra: 1", "1:1: unknown key \"zebra\" in the file", "the file knows: mesh, fleet, arrival, quorum, node, budgets.")]
    [InlineData("mesh: {sectors: 0}", "1:17: mesh.sectors is 0, out of range", "Write a whole number from 1 to 1000000.")]
    [InlineData("mesh: {sectors: 1.5}", "1:17: mesh.sectors is \"1.5\", not a whole number", null)]
    [InlineData("mesh: {sectors: '3'}", "1:17: mesh.sectors is \"3\", not a whole number", null)]
    [InlineData("mesh: {sectors: }", "1:17: mesh.sectors is empty, not a whole number", null)]
    [InlineData("mesh: 5", "1:7: mesh is \"5\", not a mapping", null)]
    [InlineData("mesh: [1]", "1:7: mesh is a list, not a mapping", null)]
    [InlineData("mesh: {sectors: 10000, clusters_per_sector: 1000}", "1:7: mesh: the shape holds more than 100000000 agents", "Use at most 100000000 places for agents.")]
    [InlineData("fleet: {agents: -1}", "1:17: fleet.agents is -1, out of range", null)]
    [InlineData("fleet: {agents: -5}", "1:17: fleet.agents is -5, out of range", null)]
    [InlineData("mesh: {sectors: 100}\nfleet: {agents: 30001}", "2:17: 30001 agents do not fit 100 sectors × 10 clusters × 30 agents", "Use at most 30000 agents, enlarge mesh, or leave mesh out.")]
    [InlineData("mesh: {sectors: 1}\nfleet: {agents: {A: 200, B: 101}}", "2:17: 301 agents do not fit 1 sectors × 10 clusters × 30 agents", null)]
    [InlineData("fleet: {agents: {A: 9999999, B: 2}}", "1:17: 10000001 agents", "A simulated fleet has at most 10000000 agents.")]
    [InlineData("fleet: {path_asymmetry: 0.5}", "1:25: fleet.path_asymmetry is 0.5, out of range", "Write a number from 0 to below 0.5.")]
    [InlineData("fleet: {network_trace: ., loss_rate: 0.1}", "1:27: fleet.loss_rate has no effect beside network_trace", null)]
    [InlineData("fleet: {straggler_rate: 0.1, service_trace: {file: x, column: ms}}", "1:9: fleet.straggler_rate has no effect beside service_trace", null)]
    [InlineData("fleet: {agents: {CLASS_A_EDGE: 0}}", "1:17: fleet.agents has no agents", null)]
    [InlineData("fleet: {agents: {CLASS_A_EDGE: -1}}", "1:32: fleet.agents.CLASS_A_EDGE is -1, out of range", null)]
    [InlineData("fleet: {agents: {CLASS_A_EGDE: 1}}", "1:18: unknown class \"CLASS_A_EGDE\" in fleet.agents", "Did you mean \"CLASS_A_EDGE\"?")]
    [InlineData("fleet: {agents: {A: 1, edge: 2}}", "1:24: CLASS_A_EDGE stands twice in fleet.agents", null)]
    [InlineData("fleet: {agents: [1, 2]}", "1:17: fleet.agents is a list, not a whole number", null)]
    [InlineData("fleet: {loss_rate: 1.01}", "1:20: fleet.loss_rate is 1.01, out of range", "Write a number from 0 to 0.5.")]
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
    [InlineData("arrival: {planner: oracle}", "1:20: arrival.planner \"oracle\" exists in simulations only: no running mesh knows the true delays", "Choose one of: learned, spec, fire-now.")]
    [InlineData("arrival: {window_ms: 6000}", "1:22: arrival.timeout_ms 5000 is below window_ms 6000", null)]
    [InlineData("arrival: {lead_level: 0.999}", "1:23: arrival.lead_level is 0.999, out of range", "Write a number from 0.5 to 0.995.")]
    [InlineData("quorum: {required_ready_rate: 95}", "1:31: quorum.required_ready_rate is 95, out of range", null)]
    [InlineData("node: {listen: 7300}", "1:16: node.listen is \"7300\", not an address and port", "Write it like 127.0.0.1:7300 or [::1]:7300.")]
    [InlineData("node: {listen: '127.0.0.1'}", "1:16: node.listen is \"127.0.0.1\", not an address and port", null)]
    [InlineData("node: {listen: '127.0.0.1:70000'}", "1:16: node.listen is \"127.0.0.1:70000\", not an address and port", null)]
    [InlineData("node: {agents_max: 0}", "1:20: node.agents_max is 0, out of range", null)]
    [InlineData("node: {loops: 0}", "1:15: node.loops is 0, out of range", null)]
    [InlineData("budgets: {name: x}", "1:10: budgets is a mapping, not a list", null)]
    [InlineData("budgets: [{class: A, requests_per_second: 1}]", "1:11: budgets[0].name is missing or not a name", null)]
    [InlineData("budgets: [{name: x, requests_per_second: 1}]", "1:11: budget \"x\" needs class, capability or both", null)]
    [InlineData("budgets: [{name: x, class: A, requests_per_second: 1, burst: 4}]", "1:55: unknown key \"burst\" in budgets[0]", null)]
    [InlineData("budgets: [{name: x, class: A, tokens_per_minute: 90000}]", "1:31: budget \"x\" counts tokens but has no tokens_per_request", "Say how many tokens one request takes, answer included: the mesh counts requests.")]
    [InlineData("budgets: [{name: x, class: A, requests_per_second: 1, tokens_per_request: 4}]", "1:55: budgets[0].tokens_per_request has no effect beside requests_per_second", null)]
    [InlineData("budgets: [{name: x, class: A, tokens_per_minute: 1, tokens_per_request: 1e9}]", "1:73: budget \"x\" allows less than one request in eleven days", null)]
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

    private static bool Binds(GroupBudget budget, AgentDescription agent) =>
        (budget.Class is null || budget.Class == agent.Class) && (budget.Capability is null || agent.Capabilities.Contains(budget.Capability, StringComparer.Ordinal));

    private static int[] CountsOf(FleetFile file)
    {
        FleetBlueprint fleet = file.LoadFleet();
        return [.. ImpedanceClasses.All.Select(fleet.CountOf)];
    }
}
