using System.Globalization;
using System.Net;
using System.Text;
using Mesh30K.Protocol.Identity;
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
    private const int CapacityMax = 10_000_000;
    private const double MsMax = 86_400_000;
    private const int BudgetsMax = 1000;
    private const int NameCharsMax = 64;
    private const double RateMax = 1e12;
    private const int DefaultPort = 7300;
    private static readonly string[] PlannerNames = ["fire-now", "spec", "learned"];

    public static FleetFileResult Load(string path)
    {
        FleetFileResult Refuse(string what, string fix) => new(null, new FleetFileError(path, 0, 0, what, fix));
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
        MeshShape mesh = ReadMesh(top);
        return new FleetFile
        {
            Mesh = mesh,
            Fleet = ReadFleet(top, mesh, folder),
            Arrival = ReadArrival(top),
            Quorum = ReadQuorum(top),
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

    private static MeshShape ReadMesh(YamlMap top)
    {
        YamlMap map = top.Map("mesh", "sectors", "clusters_per_sector", "agents_per_cluster");
        MeshShape mesh = new(
            (int)map.Whole("sectors", 1, 10_000, 100),
            (int)map.Whole("clusters_per_sector", 1, 1_000, 10),
            (int)map.Whole("agents_per_cluster", 1, 10_000, 30));
        return mesh.Capacity <= CapacityMax
            ? mesh
            : throw map.Wrong(top.NodeOf("mesh"), $"mesh has {mesh.Capacity} places for agents", $"Use at most {CapacityMax}.");
    }

    private static FleetSettings ReadFleet(YamlMap top, MeshShape mesh, string folder)
    {
        YamlMap map = top.Map(
            "fleet", "seed", "agents", "loss_rate", "straggler_rate", "straggler_factor", "conflict_rate", "path_asymmetry", "network_trace", "service_trace");
        return new FleetSettings
        {
            Seed = (ulong)map.Whole("seed", 0, long.MaxValue, 1),
            AgentsByClass = ReadAgents(map, mesh),
            LossRate = map.Number("loss_rate", 0, 1, 0),
            StragglerRate = map.Number("straggler_rate", 0, 1, 0),
            StragglerFactor = map.Number("straggler_factor", 1, 1000, 5),
            ConflictRate = map.Number("conflict_rate", 0, 1, 0),
            PathAsymmetry = map.Number("path_asymmetry", 0, 1, 0),
            NetworkTrace = ReadPath(map, "network_trace", folder, Directory.Exists, "folder"),
            ServiceTrace = ReadServiceTrace(map, folder),
        };
    }

    private static int[] ReadAgents(YamlMap map, MeshShape mesh)
    {
        int[] agents = map.NodeOf("agents") is YamlMappingNode && map.Has("agents")
            ? ReadAgentsByClass(map)
            : Split((int)map.Whole("agents", 1, CapacityMax, mesh.Capacity));
        long total = agents.Sum(a => (long)a);
        if (total == 0) throw map.Wrong(map.NodeOf("agents"), "fleet.agents has no agents", "Give at least one class at least 1 agent.");
        return total <= mesh.Capacity
            ? agents
            : throw map.Wrong(
                map.NodeOf("agents"),
                $"{total} agents do not fit {mesh.Sectors} sectors × {mesh.ClustersPerSector} clusters × {mesh.AgentsPerCluster} agents",
                $"Use at most {mesh.Capacity} agents, or enlarge mesh.");
    }

    private static int[] ReadAgentsByClass(YamlMap map)
    {
        int[] agents = new int[ImpedanceClasses.Count];
        bool[] seen = new bool[ImpedanceClasses.Count];
        string[] names = [.. ImpedanceClasses.All.Select(c => c.WireName())];
        YamlMap classes = map.MapOfAny("agents");
        foreach (string key in classes.Keys)
        {
            if (!ImpedanceClasses.TryParse(key, out ImpedanceClass c))
                throw map.Wrong(classes.KeyNodeOf(key), $"unknown class \"{YamlMap.Short(key)}\" in fleet.agents", Nearest.Question(key, names) ?? $"The classes are: {string.Join(", ", names)}.");
            if (seen[(int)c]) throw map.Wrong(classes.KeyNodeOf(key), $"{c.WireName()} stands twice in fleet.agents", "Name each class once.");
            seen[(int)c] = true;
            agents[(int)c] = (int)classes.Whole(key, 0, CapacityMax, 0);
        }
        return agents;
    }

    /// <summary>Splits a total in the shares of M 2.2, by largest remainder, so that the parts add up to it.</summary>
    private static int[] Split(int total)
    {
        long reference = ImpedanceClasses.All.Sum(c => (long)c.ReferenceCount());
        int[] parts = [.. ImpedanceClasses.All.Select(c => (int)(total * (long)c.ReferenceCount() / reference))];
        IEnumerable<ImpedanceClass> byRemainder = ImpedanceClasses.All.OrderByDescending(c => total * (long)c.ReferenceCount() % reference);
        foreach (ImpedanceClass c in byRemainder.Take(total - parts.Sum())) parts[(int)c]++;
        return parts;
    }

    private static ServiceTrace? ReadServiceTrace(YamlMap fleet, string folder)
    {
        if (!fleet.Has("service_trace")) return null;
        YamlMap map = fleet.Map("service_trace", "file", "column", "group");
        string? file = ReadPath(map, "file", folder, File.Exists, "file");
        string? column = map.Text("column");
        if (file is null || column is null)
            throw map.Wrong(fleet.NodeOf("service_trace"), $"fleet.service_trace lacks {(file is null ? "file" : "column")}", "Name a CSV file and its column of milliseconds.");
        return new ServiceTrace(file, column, map.Text("group"));
    }

    private static string? ReadPath(YamlMap map, string key, string folder, Func<string, bool> exists, string kind)
    {
        if (map.Text(key) is not { } text) return null;
        if (text.Contains('\0', StringComparison.Ordinal)) throw map.Wrong(map.NodeOf(key), $"{map.PathOf(key)} is not a path", $"Name a {kind}.");
        string path = Path.GetFullPath(text, folder);
        return exists(path) ? path : throw map.Wrong(map.NodeOf(key), $"{map.PathOf(key)}: no such {kind}: {YamlMap.Short(text)}", "The path starts at the folder of the fleet file.");
    }

    private static ArrivalSettings ReadArrival(YamlMap top)
    {
        YamlMap map = top.Map("arrival", "window_ms", "timeout_ms", "planner", "lead_level", "dispatch_margin_ms", "bucket_ms");
        double window = map.Number("window_ms", 1, MsMax, 500);
        double timeout = map.Number("timeout_ms", 1, MsMax, Math.Max(5000, window));
        if (timeout < window)
            throw map.Wrong(map.NodeOf("timeout_ms"), string.Create(CultureInfo.InvariantCulture, $"arrival.timeout_ms {timeout} is below window_ms {window}"), "Wait at least as long as the window.");
        return new ArrivalSettings
        {
            WindowMs = window,
            TimeoutMs = timeout,
            Planner = (PlannerKind)map.Choice("planner", (int)PlannerKind.Learned, PlannerNames),
            LeadLevel = map.Number("lead_level", 0.5, 0.9999, 0.98),
            DispatchMarginMs = map.Number("dispatch_margin_ms", 0, MsMax, 40),
            BucketMs = map.Number("bucket_ms", 0.1, 1000, 1),
        };
    }

    private static QuorumSettings ReadQuorum(YamlMap top)
    {
        YamlMap map = top.Map("quorum", "required_ready_rate", "max_conflict_rate", "max_transit_rate");
        return new QuorumSettings(
            map.Number("required_ready_rate", 0, 1, 0.95), map.Number("max_conflict_rate", 0, 1, 0.05), map.Number("max_transit_rate", 0, 1, 0.10));
    }

    private static NodeSettings ReadNode(YamlMap top, string folder)
    {
        YamlMap map = top.Map("node", "listen", "loops", "data_dir");
        IPEndPoint listen = new(IPAddress.Loopback, DefaultPort);
        if (map.Text("listen") is { } text)
        {
            string numeric = text.StartsWith("localhost:", StringComparison.Ordinal) ? "127.0.0.1:" + text["localhost:".Length..] : text;
            bool hasPort = numeric.Count(c => c == ':') == 1 || numeric.Contains("]:", StringComparison.Ordinal);
            if (!hasPort || !IPEndPoint.TryParse(numeric, out IPEndPoint? parsed))
                throw map.Wrong(map.NodeOf("listen"), $"node.listen is \"{YamlMap.Short(text)}\", not an address and port", "Write it like 127.0.0.1:7300 or [::1]:7300.");
            listen = parsed;
        }
        int? loops = map.Has("loops") ? (int)map.Whole("loops", 1, 256, 1) : null;
        string data = map.Text("data_dir") ?? ".mesh";
        if (data.Contains('\0', StringComparison.Ordinal)) throw map.Wrong(map.NodeOf("data_dir"), "node.data_dir is not a path", "Name a folder.");
        return new NodeSettings(listen, loops, Path.GetFullPath(data, folder));
    }

    private static RateBudget[] ReadBudgets(YamlMap top, string path)
    {
        IReadOnlyList<YamlNode> nodes = top.List("budgets");
        if (nodes.Count > BudgetsMax) throw top.Wrong(nodes[BudgetsMax], $"more than {BudgetsMax} budgets", "Give agents that share a limit one budget.");
        HashSet<string> names = new(StringComparer.Ordinal);
        List<RateBudget> budgets = [];
        foreach (YamlNode node in nodes)
        {
            RateBudget budget = ReadBudget(new YamlMap(
                path, $"budgets[{budgets.Count}]", node, ["name", "class", "capability", "requests_per_second", "tokens_per_minute", "burst"]), node);
            if (!names.Add(budget.Name)) throw top.Wrong(node, $"two budgets named \"{budget.Name}\"", "Give each budget its own name.");
            budgets.Add(budget);
        }
        return [.. budgets];
    }

    private static RateBudget ReadBudget(YamlMap map, YamlNode node)
    {
        string? name = map.Text("name");
        if (name is null || name.Length > NameCharsMax || name.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-')))
            throw map.Wrong(map.NodeOf("name"), $"{map.PathOf("name")} is missing or not a name", $"Use 1 to {NameCharsMax} characters of A-Z a-z 0-9 . _ -");
        if (map.Has("class") == map.Has("capability")) throw map.Wrong(node, $"budget \"{name}\" needs either class or capability", "Say which agents it binds, by one of the two.");
        bool requests = map.Has("requests_per_second");
        if (requests == map.Has("tokens_per_minute"))
            throw map.Wrong(node, $"budget \"{name}\" needs either requests_per_second or tokens_per_minute", "Give one rate; use two budgets for two limits.");
        string[] classNames = [.. ImpedanceClasses.All.Select(c => c.WireName())];
        ImpedanceClass? boundClass = null;
        if (map.Text("class") is { } className)
        {
            boundClass = ImpedanceClasses.TryParse(className, out ImpedanceClass parsed)
                ? parsed
                : throw map.Wrong(map.NodeOf("class"), $"unknown class \"{YamlMap.Short(className)}\"", Nearest.Question(className, classNames) ?? $"The classes are: {string.Join(", ", classNames)}.");
        }
        const double least = 1e-6;
        return new RateBudget
        {
            Name = name,
            Class = boundClass,
            Capability = map.Text("capability"),
            RequestsPerSecond = requests ? map.Number("requests_per_second", least, RateMax, least) : null,
            TokensPerMinute = requests ? null : map.Number("tokens_per_minute", least, RateMax, least),
            Burst = map.Number("burst", 1, RateMax, 1),
        };
    }
}
