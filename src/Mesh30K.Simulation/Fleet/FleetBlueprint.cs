using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

using Mesh30K.Protocol.Identity;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// What a simulated fleet is, without its live state: the class of every agent, its names and abilities, its lifelong traits and the
/// laws of its delays. Agents of a class have consecutive global indices, in the order of the classes. Immutable; safe on any thread;
/// one blueprint serves any number of <see cref="FleetPartition"/>s.
/// </summary>
public sealed class FleetBlueprint
{
    private static readonly string[] Prefixes = ["edge-", "serverless-", "persistent-", "gpu-", "local-", "human-"];

    /// <summary>What each class is best for (M 2.2), as capability names.</summary>
    private static readonly string[][] Capabilities =
    [
        ["routing", "transform", "cache"],
        ["api-handler", "database", "integration"],
        ["reasoning", "batch", "training"],
        ["embedding", "inference", "vision"],
        ["sensor", "local-state", "physical-bridge"],
        ["judgment", "creativity", "ethics", "oversight"],
    ];

    private readonly int[] _firstOf = new int[ImpedanceClasses.Count + 1];
    private readonly Lazy<OracleTable>[] _oracles;
    private readonly string _numberFormat;
    private readonly string _contextHash;

    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public FleetBlueprint(FleetOptions options, FleetProfiles? profiles = null)
    {
        options.Validate();
        Options = options;
        Profiles = profiles ?? FleetProfiles.Embedded;
        LossRate = options.LossRate ?? Profiles.LossRate;
        Straggler = options.StragglerRate > 0 ? new(options.StragglerRate, options.StragglerFactor) : SumQuantile.Straggler.None;
        if (options.ServiceTrace is { } trace) ArgumentOutOfRangeException.ThrowIfGreaterThan(trace.Groups.Count, ushort.MaxValue);
        if (options.NetworkTrace is { } network) ArgumentOutOfRangeException.ThrowIfGreaterThan(network.Paths.Count, ushort.MaxValue);

        int[] counts = Apportion(options);
        for (int c = 0; c < counts.Length; c++) _firstOf[c + 1] = _firstOf[c] + counts[c];
        _numberFormat = "D" + Math.Max(5, counts.Max().ToString(CultureInfo.InvariantCulture).Length).ToString(CultureInfo.InvariantCulture);
        _contextHash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("mesh30k simulated context " + options.Seed)));
        // Built when an oracle is first asked: some tens of milliseconds a class that other planners need not pay.
        _oracles = [.. Profiles.ServiceRatio.Select(service => new Lazy<OracleTable>(() => new(Profiles.NetworkRatio, service, Straggler)))];
    }

    public FleetOptions Options { get; }

    public FleetProfiles Profiles { get; }

    public int Agents => Options.Agents;

    internal double LossRate { get; }

    internal SumQuantile.Straggler Straggler { get; }

    /// <summary>How many agents are of a class.</summary>
    public int CountOf(ImpedanceClass c) => _firstOf[(int)c + 1] - _firstOf[(int)c];

    /// <summary>The global index of the first agent of a class; the others follow it. Equal to the next class's when there is none.</summary>
    public int FirstOf(ImpedanceClass c) => _firstOf[(int)c];

    /// <summary>The class of an agent by its global index, 0 to <see cref="Agents"/> − 1.</summary>
    public ImpedanceClass ClassOf(int agentIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(agentIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(agentIndex, Agents);
        int c = 0;
        while (agentIndex >= _firstOf[c + 1]) c++;
        return (ImpedanceClass)c;
    }

    /// <summary>The name: the class and the number within it from 1, padded so that names sort as numbers (<c>gpu-00042</c>). Allocates.</summary>
    public AgentId IdOf(int agentIndex)
    {
        int c = (int)ClassOf(agentIndex);
        return new AgentId(Prefixes[c] + (agentIndex - _firstOf[c] + 1).ToString(_numberFormat, CultureInfo.InvariantCulture));
    }

    /// <summary>What the agent can do. The array is shared by all agents of the class: do not write to it.</summary>
    public string[] CapabilitiesOf(int agentIndex) => Capabilities[(int)ClassOf(agentIndex)];

    /// <summary>The SHA-256, in hex, of the context that the agent starts with. All agents of a fleet start with the same.</summary>
    public string ContextHashOf(int agentIndex)
    {
        _ = ClassOf(agentIndex);
        return _contextHash;
    }

    /// <summary>The oracle's table of a class, for a fleet without traces.</summary>
    internal OracleTable OracleOf(int classIndex) => _oracles[classIndex].Value;

    /// <summary>The lifelong traits of an agent, drawn by its index: the same in whatever partition it lives.</summary>
    internal AgentTraits TraitsOf(int agentIndex)
    {
        ImpedanceClass c = ClassOf(agentIndex);
        var draws = new AgentDraws(Options.Seed, agentIndex);
        double Trait(uint which) => draws.Uniform(AgentDraws.Stream.Trait, which);
        var scale = ClassScale.Of(c);
        double total = scale.TotalMsMin * Math.Pow(scale.TotalMsMax / scale.TotalMsMin, Trait(0));
        double network = total * scale.NetworkShare * (0.75 + (0.5 * Trait(1)));
        double service = total - network;
        if (c == ImpedanceClass.Local) network = QuantileLaw.Quantile(Profiles.PathRttMs, Trait(1));
        RecordedSeries? paths = Options.NetworkTrace?.Series, groups = Options.ServiceTrace?.Series;
        int path = paths is null ? 0 : (int)(Trait(4) * paths.SeriesCount);
        int group = groups is null ? 0 : (int)(Trait(5) * groups.SeriesCount);
        return new AgentTraits
        {
            Class = c,
            NetworkMs = (float)network,
            ServiceMs = (float)service,
            OutShare = (float)(0.5 + (Options.PathAsymmetry * ((2 * Trait(2)) - 1))),
            Level = QuantileLaw.Quantile(Profiles.PathLevel, Trait(3)),
            Path = (ushort)path,
            PathOffset = paths is null ? 0 : (uint)(Trait(6) * paths.Length(path)),
            Group = (ushort)group,
            GroupOffset = groups is null ? 0 : (uint)(Trait(7) * groups.Length(group)),
        };
    }

    /// <summary>Largest remainder (Hamilton); equal remainders go to the earlier class.</summary>
    private static int[] Apportion(FleetOptions options)
    {
        double[] shares = [.. ImpedanceClasses.All.Select(c =>
            options.ClassShares is null ? c.ReferenceCount() : options.ClassShares.GetValueOrDefault(c))];
        double whole = shares.Sum();
        double[] exact = [.. shares.Select(s => options.Agents * s / whole)];
        int[] counts = [.. exact.Select(e => (int)e)];
        int[] byRemainder = [
            .. Enumerable.Range(0, counts.Length).Where(c => shares[c] > 0).OrderByDescending(c => exact[c] - counts[c]).ThenBy(c => c),
        ];
        int left = options.Agents - counts.Sum();
        for (int i = 0; i < left; i++) counts[byRemainder[i % byRemainder.Length]]++;
        return counts;
    }

    /// <summary>What an agent keeps for life.</summary>
    [StructLayout(LayoutKind.Auto)]
    internal readonly record struct AgentTraits
    {
        public required ImpedanceClass Class { get; init; }

        /// <summary>The typical round trip at level 1, ms.</summary>
        public required float NetworkMs { get; init; }

        /// <summary>The typical service time at weight 1, ms.</summary>
        public required float ServiceMs { get; init; }

        /// <summary>The way out's part of a round trip.</summary>
        public required float OutShare { get; init; }

        /// <summary>The level of the path at the start, as a ratio.</summary>
        public required float Level { get; init; }

        public required ushort Path { get; init; }

        public required uint PathOffset { get; init; }

        public required ushort Group { get; init; }

        public required uint GroupOffset { get; init; }
    }
}
