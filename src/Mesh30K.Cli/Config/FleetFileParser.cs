using System.Globalization;
using System.Net;
using System.Text;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Gathering;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Runtime;
using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Mesh30K.Cli.Config;

/// <summary>
/// Reads fleet files. Strict on purpose: a mistyped key that is passed over silently would run another fleet than the one written down.
/// The first error wins.
/// </summary>
internal static class FleetFileParser
{
    private const int FileBytesMax = 1024 * 1024;
    private const int DepthMax = 16;
    private const int AgentsMax = 10_000_000;
    private const int SectorsMax = 1_000_000;
    private const int ClustersPerSectorMax = 10_000;
    private const double WindowMsMax = 3_600_000;
    private const double TimeoutMsMax = 86_400_000;
    private const double RateMin = 1e-6;
    private const int BudgetsMax = 1000;
    private const int NameCharsMax = 64;
    private const double RateMax = 1e12;
    private const int DefaultPort = 7300;
    private const int LinkedAgentsMax = 100_000;

    private static readonly (string Name, PlannerKind Kind)[] Planners =
        [("learned", PlannerKind.Learned), ("spec", PlannerKind.Spec), ("fire-now", PlannerKind.FireNow)];

    private static readonly string[] ArrivalKeys =
        ["window_ms", "timeout_ms", "planner", "lead_level", "dispatch_margin_ms", "bucket_ms", "target_share"];

    private static readonly string[] ClassNames = [.. ImpedanceClasses.All.Select(c => c.WireName())];

    /// <summary>What every key is that a file leaves out.</summary>
    private static readonly FleetOptions FleetDefaults = new();
    private static readonly ArrivalOptions ArrivalDefaults = new();
    private static readonly OperationSpec OperationDefaults = new();

    public static FleetFileResult Load(string path)
    {
        FleetFileResult Refuse(string what, string fix) => new(null, new FleetFileError(path, 0, 0, what, fix));
        if (RegularFile.WhyNot(path) is { } special) return Refuse(special + ", not a file", "Name a file.");
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            byte[] bytes = new byte[FileBytesMax + 1];
            int count = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return count > FileBytesMax
                ? Refuse("larger than 1 MiB", "A fleet file is a few kilobytes of YAML; is this the right file?")
                : Parse(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.AsSpan(0, count)).TrimStart('\uFEFF'), path);
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            return Refuse("no such file", "Check the path; examples/fleet.yaml is a file to start from.");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return Refuse("cannot be read: " + unreadable.Message.ReplaceLineEndings(" "), "Name a file that you may read.");
        }
        catch (ArgumentException)
        {
            return Refuse("not UTF-8 text", "Save the file as UTF-8.");
        }
    }

    public static FleetFileResult Parse(string text, string path)
    {
        try
        {
            return new FleetFileResult(Read(text, path), null);
        }
        catch (FleetFileException wrong)
        {
            return new FleetFileResult(null, wrong.Error);
        }
        catch (YamlException wrong)
        {
            string what = YamlMap.Short(wrong.Message.ReplaceLineEndings(" "));
            return new FleetFileResult(null, new FleetFileError(path, wrong.Start.Line, wrong.Start.Column, "not valid YAML: " + what, "Check indentation, quotes and doubled keys here."));
        }
    }

    private static FleetFile Read(string text, string path)
    {
        YamlStream stream = LoadYaml(text, path);
        if (stream.Documents.Count > 1)
            throw new FleetFileException(new FleetFileError(path, stream.Documents[1].RootNode.Start.Line, 1, "a second YAML document", "Keep one document in the file."));
        YamlNode root = stream.Documents.Count == 0 ? new YamlScalarNode("") : stream.Documents[0].RootNode;
        YamlMap top = new(path, "", root, ["mesh", "fleet", "arrival", "quorum", "node", "budgets"]);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? Path.GetFullPath(path);
        MeshShape? given = ReadMesh(top);
        YamlMap fleet = top.Map(
            "fleet", "seed", "agents", "loss_rate", "straggler_rate", "straggler_factor", "conflict_rate", "path_asymmetry", "network_trace", "service_trace");
        FleetOptions options = ReadAgents(fleet, given, ReadFleet(fleet));
        return new FleetFile
        {
            SourcePath = path,
            Mesh = given ?? (options.Agents == 0 ? MeshShape.Reference : MeshShape.For(options.Agents)),
            Fleet = options,
            NetworkTraceFolder = ReadPath(fleet, "network_trace", folder, Directory.Exists, "folder"),
            ServiceTraceSource = ReadServiceTrace(fleet, folder),
            Arrival = ReadArrival(top.Map("arrival", ArrivalKeys)),
            Defaults = ReadOperation(top.Map("arrival", ArrivalKeys), ReadQuorum(top)),
            Node = ReadNode(top, folder),
            Budgets = ReadBudgets(top, path),
        };
    }

    /// <summary>The YAML library throws exceptions of other kinds on some broken input; no text is a bug of mesh, so each of them is an error of the file.</summary>
    private static YamlStream LoadYaml(string text, string path)
    {
        try
        {
            CheckDepth(text, path);
            YamlStream stream = [];
            stream.Load(new StringReader(text));
            return stream;
        }
        catch (Exception broken) when (broken is not (YamlException or FleetFileException))
        {
            throw new FleetFileException(new FleetFileError(path, 0, 0, "not valid YAML", "Check indentation, quotes and special characters; examples/fleet.yaml shows the form."));
        }
    }

    /// <summary>The document model reads recursively, so a deep file could exhaust the stack: bound the depth first, on the flat events.</summary>
    private static void CheckDepth(string text, string path)
    {
        Parser parser = new(new StringReader(text));
        int depth = 0;
        while (parser.MoveNext())
        {
            if (parser.Current is MappingStart or SequenceStart) depth++;
            else if (parser.Current is MappingEnd or SequenceEnd) depth--;
            if (depth > DepthMax)
                throw new FleetFileException(new FleetFileError(path, parser.Current!.Start.Line, parser.Current.Start.Column, "nested too deeply", "A fleet file has at most three levels."));
        }
    }

    /// <summary>The shape; null when the file does not say it, so that it follows from the fleet.</summary>
    private static MeshShape? ReadMesh(YamlMap top)
    {
        YamlMap map = top.Map("mesh", "sectors", "clusters_per_sector", "agents_per_cluster");
        if (!map.Keys.Any()) return null;
        MeshShape mesh = new(
            (int)map.Whole("sectors", 1, SectorsMax, MeshShape.Reference.Sectors),
            (int)map.Whole("clusters_per_sector", 1, ClustersPerSectorMax, MeshShape.Reference.ClustersPerSector),
            (int)map.Whole("agents_per_cluster", 1, MeshShape.AgentsPerClusterMax, MeshShape.Reference.AgentsPerCluster));
        return mesh.Validate() is { } wrong
            ? throw map.Wrong(top.NodeOf("mesh"), "mesh: " + wrong, $"Use at most {MeshShape.CapacityMax} places for agents.")
            : mesh;
    }

    private static FleetOptions ReadFleet(YamlMap map)
    {
        RefuseBeside(map, "loss_rate", "network_trace", "the recorded paths have losses of their own");
        RefuseBeside(map, "straggler_rate", "service_trace", "the recorded durations have stragglers of their own");
        RefuseBeside(map, "straggler_factor", "service_trace", "the recorded durations have stragglers of their own");
        FleetOptions d = FleetDefaults;
        return d with
        {
            Seed = (ulong)map.Whole("seed", 0, long.MaxValue, (long)d.Seed),
            LossRate = map.Has("loss_rate") ? map.Number("loss_rate", 0, 0.5, 0) : d.LossRate,
            StragglerRate = map.Number("straggler_rate", 0, 0.5, d.StragglerRate),
            StragglerFactor = (float)map.Number("straggler_factor", 1, 1000, d.StragglerFactor),
            ConflictRate = map.Number("conflict_rate", 0, 1, d.ConflictRate),
            PathAsymmetry = map.NumberBelow("path_asymmetry", 0, 0.5, d.PathAsymmetry),
        };
    }

    /// <summary>A key that another one leaves without effect is a mistake, not a preference.</summary>
    private static void RefuseBeside(YamlMap map, string key, string other, string why)
    {
        if (map.Has(key) && map.Has(other))
            throw map.Wrong(map.KeyNodeOf(key), $"{map.PathOf(key)} has no effect beside {other}", $"Leave one of the two out: {why}.");
    }

    private static FleetOptions ReadAgents(YamlMap map, MeshShape? shape, FleetOptions options)
    {
        long room = Math.Min(AgentsMax, shape?.Capacity ?? AgentsMax);
        if (map.Has("agents") && map.NodeOf("agents") is YamlMappingNode)
        {
            Dictionary<ImpedanceClass, double> counts = ReadAgentsByClass(map);
            long total = (long)counts.Values.Sum();
            if (total == 0) throw map.Wrong(map.NodeOf("agents"), "fleet.agents has no agents", "Give at least one class at least 1 agent, or for a mesh without simulated agents write agents: 0.");
            return total <= room ? options with { Agents = (int)total, ClassShares = counts } : throw TooMany(map, total, shape);
        }
        int agents = (int)map.Whole("agents", 0, AgentsMax, shape is null ? options.Agents : room);
        return agents <= room ? options with { Agents = agents } : throw TooMany(map, agents, shape);
    }

    private static FleetFileException TooMany(YamlMap map, long total, MeshShape? shape) => shape is null || total > AgentsMax
        ? map.Wrong(map.NodeOf("agents"), $"{total} agents", $"A simulated fleet has at most {AgentsMax} agents.")
        : map.Wrong(
            map.NodeOf("agents"),
            $"{total} agents do not fit {shape.Sectors} sectors × {shape.ClustersPerSector} clusters × {shape.AgentsPerCluster} agents",
            $"Use at most {shape.Capacity} agents, enlarge mesh, or leave mesh out.");

    /// <summary>Shares that are the counts themselves are apportioned exactly.</summary>
    private static Dictionary<ImpedanceClass, double> ReadAgentsByClass(YamlMap map)
    {
        Dictionary<ImpedanceClass, double> agents = [];
        YamlMap classes = map.MapOfAny("agents");
        foreach (string key in classes.Keys)
        {
            if (!ImpedanceClasses.TryParse(key, out ImpedanceClass c))
                throw map.Wrong(classes.KeyNodeOf(key), $"unknown class \"{YamlMap.Short(key)}\" in fleet.agents", ClassHint(key));
            if (!agents.TryAdd(c, classes.Whole(key, 0, AgentsMax, 0)))
                throw map.Wrong(classes.KeyNodeOf(key), $"{c.WireName()} stands twice in fleet.agents", "Name each class once.");
        }
        return agents;
    }

    private static string ClassHint(string text) => Nearest.Question(text, ClassNames) ?? $"The classes are: {string.Join(", ", ClassNames)}.";

    private static ServiceTraceSource? ReadServiceTrace(YamlMap fleet, string folder)
    {
        if (!fleet.Has("service_trace")) return null;
        YamlMap map = fleet.Map("service_trace", "file", "column", "group");
        string? file = ReadPath(map, "file", folder, File.Exists, "file");
        string? column = map.Text("column");
        if (file is null || column is null)
            throw map.Wrong(fleet.NodeOf("service_trace"), $"fleet.service_trace lacks {(file is null ? "file" : "column")}", "Name a CSV file and its column of milliseconds.");
        return new ServiceTraceSource(file, column, map.Text("group"));
    }

    private static string? ReadPath(YamlMap map, string key, string folder, Func<string, bool> exists, string kind)
    {
        if (map.Text(key) is not { } text) return null;
        if (text.Contains('\0', StringComparison.Ordinal)) throw map.Wrong(map.NodeOf(key), $"{map.PathOf(key)} is not a path", $"Name a {kind}.");
        string path = Path.GetFullPath(text, folder);
        if (RegularFile.WhyNot(path) is { } special) throw map.Wrong(map.NodeOf(key), $"{map.PathOf(key)} is {special}: {YamlMap.Short(text)}", $"Name a {kind}.");
        return exists(path) ? path : throw map.Wrong(map.NodeOf(key), $"{map.PathOf(key)}: no such {kind}: {YamlMap.Short(text)}", "The path starts at the folder of the fleet file.");
    }

    private static ArrivalOptions ReadArrival(YamlMap map) => new()
    {
        BucketMs = map.Number("bucket_ms", 0.1, 1000, ArrivalDefaults.BucketMs),
        DispatchMarginMs = map.Number("dispatch_margin_ms", 0, WindowMsMax, ArrivalDefaults.DispatchMarginMs),
        TargetShare = map.Number("target_share", 0.01, 1, ArrivalDefaults.TargetShare),
    };

    private static OperationSpec ReadOperation(YamlMap map, QuorumThresholds quorum)
    {
        double window = map.Number("window_ms", 1, WindowMsMax, OperationDefaults.WindowMs);
        double timeout = map.Number("timeout_ms", 1, TimeoutMsMax, OperationDefaults.TimeoutMs);
        if (timeout < window)
        {
            string what = string.Create(CultureInfo.InvariantCulture, $"arrival.timeout_ms {timeout} is below window_ms {window}");
            throw map.Wrong(map.NodeOf(map.Has("timeout_ms") ? "timeout_ms" : "window_ms"), what, "Set timeout_ms to the window and the time to reach the slowest agents.");
        }
        OperationSpec spec = OperationDefaults with
        {
            WindowMs = window,
            TimeoutMs = timeout,
            Planner = ReadPlanner(map),
            LeadLevel = (float)map.Number("lead_level", 0.5, 0.995, (double)(decimal)OperationDefaults.LeadLevel),
            Thresholds = quorum,
        };
        return spec.Validate() is { } wrong ? throw map.Wrong(map.NodeOf(""), "arrival: " + wrong, "Change it here.") : spec;
    }

    private static PlannerKind ReadPlanner(YamlMap map)
    {
        string[] names = [.. Planners.Select(p => p.Name)];
        if (map.Has("planner") && map.Text("planner") is "oracle")
            throw map.Wrong(map.NodeOf("planner"), "arrival.planner \"oracle\" exists in simulations only: no running mesh knows the true delays", $"Choose one of: {string.Join(", ", names)}.");
        int chosen = map.Choice("planner", Array.FindIndex(Planners, p => p.Kind == OperationDefaults.Planner), names);
        return Planners[chosen].Kind;
    }

    private static QuorumThresholds ReadQuorum(YamlMap top)
    {
        YamlMap map = top.Map("quorum", "required_ready_rate", "max_conflict_rate", "max_transit_rate");
        QuorumThresholds d = OperationDefaults.Thresholds;
        return new QuorumThresholds
        {
            RequiredReadyRate = map.Number("required_ready_rate", 0, 1, d.RequiredReadyRate),
            MaxConflictRate = map.Number("max_conflict_rate", 0, 1, d.MaxConflictRate),
            MaxTransitRate = map.Number("max_transit_rate", 0, 1, d.MaxTransitRate),
        };
    }

    private static NodeSettings ReadNode(YamlMap top, string folder)
    {
        YamlMap map = top.Map("node", "listen", "loops", "data_dir", "agents_max");
        IPEndPoint listen = new(IPAddress.Loopback, DefaultPort);
        if (map.Text("listen") is { } text)
        {
            string numeric = text.StartsWith("localhost:", StringComparison.Ordinal) ? "127.0.0.1:" + text["localhost:".Length..] : text;
            bool hasPort = numeric.Count(c => c == ':') == 1 || numeric.Contains("]:", StringComparison.Ordinal);
            if (!hasPort || !IPEndPoint.TryParse(numeric, out IPEndPoint? parsed))
                throw map.Wrong(map.NodeOf("listen"), $"node.listen is \"{YamlMap.Short(text)}\", not an address and port", "Write it like 127.0.0.1:7300 or [::1]:7300.");
            listen = parsed;
        }
        int? loops = map.Has("loops") ? (int)map.Whole("loops", 1, 64, 1) : null;
        string data = map.Text("data_dir") ?? ".mesh";
        if (data.Contains('\0', StringComparison.Ordinal)) throw map.Wrong(map.NodeOf("data_dir"), "node.data_dir is not a path", "Name a folder.");
        NodeSettings node = new(listen, loops, Path.GetFullPath(data, folder));
        return node with { AgentsMax = (int)map.Whole("agents_max", 1, LinkedAgentsMax, node.AgentsMax) };
    }

    private static GroupBudget[] ReadBudgets(YamlMap top, string path)
    {
        IReadOnlyList<YamlNode> nodes = top.List("budgets");
        if (nodes.Count > BudgetsMax) throw top.Wrong(nodes[BudgetsMax], $"more than {BudgetsMax} budgets", "Give agents that share a limit one budget.");
        HashSet<string> names = new(StringComparer.Ordinal);
        List<GroupBudget> budgets = [];
        foreach (YamlNode node in nodes)
        {
            GroupBudget budget = ReadBudget(new YamlMap(
                path, $"budgets[{budgets.Count}]", node, ["name", "class", "capability", "requests_per_second", "tokens_per_minute", "tokens_per_request"]), node);
            if (!names.Add(budget.Budget.Name)) throw top.Wrong(node, $"two budgets named \"{budget.Budget.Name}\"", "Give each budget its own name.");
            budgets.Add(budget);
        }
        return [.. budgets];
    }

    private static GroupBudget ReadBudget(YamlMap map, YamlNode node)
    {
        string? name = map.Text("name");
        if (name is null || name.Length > NameCharsMax || name.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-')))
            throw map.Wrong(map.NodeOf("name"), $"{map.PathOf("name")} is missing or not a name", $"Use 1 to {NameCharsMax} characters of A-Z a-z 0-9 . _ -");
        if (!map.Has("class") && !map.Has("capability"))
            throw map.Wrong(node, $"budget \"{name}\" needs class, capability or both", "Say which agents it binds; both bind the agents of the class that have the capability.");
        ImpedanceClass? boundClass = null;
        if (map.Text("class") is { } className)
        {
            boundClass = ImpedanceClasses.TryParse(className, out ImpedanceClass parsed)
                ? parsed
                : throw map.Wrong(map.NodeOf("class"), $"unknown class \"{YamlMap.Short(className)}\"", ClassHint(className));
        }
        return new GroupBudget(new RateBudget(name, ReadSendsPerSecond(map, node, name)), boundClass, map.Text("capability"));
    }

    /// <summary>The mesh counts sends; a limit in tokens needs to know how many a send takes.</summary>
    private static double ReadSendsPerSecond(YamlMap map, YamlNode node, string name)
    {
        bool tokens = map.Has("tokens_per_minute");
        if (tokens == map.Has("requests_per_second"))
            throw map.Wrong(node, $"budget \"{name}\" needs either requests_per_second or tokens_per_minute", "Give one rate; use two budgets for two limits.");
        if (!tokens)
        {
            return map.Has("tokens_per_request")
                ? throw map.Wrong(map.KeyNodeOf("tokens_per_request"), $"{map.PathOf("tokens_per_request")} has no effect beside requests_per_second", "Leave it out, or give tokens_per_minute.")
                : map.Number("requests_per_second", RateMin, RateMax, RateMin);
        }
        double perMinute = map.Number("tokens_per_minute", RateMin, RateMax, RateMin);
        if (!map.Has("tokens_per_request"))
            throw map.Wrong(map.KeyNodeOf("tokens_per_minute"), $"budget \"{name}\" counts tokens but has no tokens_per_request", "Say how many tokens one request takes, answer included: the mesh counts requests.");
        double perSecond = perMinute / 60 / map.Number("tokens_per_request", 1, RateMax, 1);
        return perSecond >= RateMin
            ? perSecond
            : throw map.Wrong(map.NodeOf("tokens_per_request"), $"budget \"{name}\" allows less than one request in eleven days", "Check both figures.");
    }
}
