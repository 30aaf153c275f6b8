using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Simulation.Fleet;

/// <summary>
/// The live state of a set of simulated agents, typically one sector's. Each agent is a single-server first-in-first-out queue behind a
/// network path:
/// <code>
/// sent ── out share of a round trip ──▶ arrived ── wait ──▶ service ──▶ READY ── the rest of the round trip ──▶ ack
/// </code>
/// A round trip is the agent's typical one × the path's level × a ratio drawn from the recorded law; the service is the agent's typical
/// one × (1 + 0.5·weight)/1.5 × a ratio. The path delivers in the order of sending, like one connection. After a send the level of the
/// path may shift, so that the level is known when the next one is sent. The k-th send to an agent sees the same draws whenever it is
/// made and whatever other agents do, so planners are compared on the same luck.
/// No clock, no ambient randomness, no allocation per send. Single owner: the loop that the sector lives on; needs no lock.
/// </summary>
public sealed class FleetPartition
{
    private readonly FleetBlueprint _blueprint;
    private readonly FleetProfiles _profiles;
    private readonly FleetOptions _options;
    private readonly RecordedSeries? _paths;
    private readonly RecordedSeries? _groups;
    private readonly AgentState[] _agents;
    private readonly UnfinishedSends _unfinished = new();

    /// <param name="blueprint">The fleet.</param>
    /// <param name="globalIndices">The agents of this partition; the place in the array is the agent's local number. Copied.</param>
    public FleetPartition(FleetBlueprint blueprint, int[] globalIndices)
    {
        _blueprint = blueprint;
        _profiles = blueprint.Profiles;
        _options = blueprint.Options;
        _paths = _options.NetworkTrace?.Series;
        _groups = _options.ServiceTrace?.Series;
        _agents = new AgentState[globalIndices.Length];
        for (int i = 0; i < globalIndices.Length; i++)
        {
            FleetBlueprint.AgentTraits traits = blueprint.TraitsOf(globalIndices[i]);
            _agents[i] = new AgentState
            {
                GlobalIndex = globalIndices[i],
                Class = (byte)traits.Class,
                NetworkMs = traits.NetworkMs,
                ServiceMs = traits.ServiceMs,
                OutShare = traits.OutShare,
                Level = traits.Level,
                Path = traits.Path,
                PathAt = traits.PathOffset,
                Group = traits.Group,
                GroupAt = traits.GroupOffset,
                FreeAtTicks = long.MinValue,
                WaitingTail = UnfinishedSends.None,
            };
        }
    }

    /// <summary>Bytes of state an agent; a waiting send beyond the first takes 12 more.</summary>
    public static int BytesPerAgent => Unsafe.SizeOf<AgentState>();

    public int Count => _agents.Length;

    /// <summary>The global index of an agent of this partition.</summary>
    public int GlobalIndexOf(int local) => _agents[local].GlobalIndex;

    /// <summary>
    /// Sends a message to an agent. The sends to one agent are given in the order of their times (equal times are allowed); sends to
    /// different agents in any order.
    /// </summary>
    /// <param name="local">The agent, 0 to <see cref="Count"/> − 1.</param>
    /// <param name="sentAt">When the message leaves the mesh.</param>
    /// <param name="payloadWeight">Payload weight (M 3.1), at least 0; 1 is standard.</param>
    public SendOutcome Send(int local, Instant sentAt, float payloadWeight)
    {
        ref AgentState agent = ref _agents[local];
        uint counter = agent.SendCount++;
        var draws = new AgentDraws(_options.Seed, agent.GlobalIndex);
        ulong delay = draws.Bits(AgentDraws.Stream.Delay, counter), fate = draws.Bits(AgentDraws.Stream.Fate, counter);
        float roundTripMs = RoundTrip(ref agent, AgentDraws.Low(delay), counter, draws);
        float serviceMs = Service(ref agent, AgentDraws.High(delay), AgentDraws.Third(fate, 1)) * WeightFactor(payloadWeight);

        int depth = Settle(ref agent, sentAt.Ticks);
        (bool requestLost, bool ackLost) = Losses(roundTripMs, AgentDraws.Third(fate, 0));
        if (requestLost || depth >= _options.QueueDepthMax) return SendOutcome.NeverArrived(depth);
        if (float.IsNaN(roundTripMs)) roundTripMs = MedianRoundTrip(ref agent);

        long arrived = sentAt.Ticks + (long)(roundTripMs * agent.OutShare * (double)Instant.TicksPerMs);
        long started = Math.Max(arrived, agent.FreeAtTicks);
        long ready = started + (long)(serviceMs * (double)Instant.TicksPerMs);
        if (depth > 0)
        {
            agent.WaitingTail = _unfinished.Push(agent.WaitingTail, agent.FreeAtTicks);
            agent.WaitingCount++;
        }
        agent.FreeAtTicks = ready;
        Instant ackAt = ackLost ? Instant.MaxValue : new Instant(ready + (long)(roundTripMs * (1 - agent.OutShare) * (double)Instant.TicksPerMs));
        float waitMs = (started - arrived) / (float)Instant.TicksPerMs;
        return new SendOutcome(ackLost, new Instant(ready), ackAt, roundTripMs, serviceMs, waitMs, StateOf(ackLost, fate), depth);
    }

    /// <summary>How many sends the agent has accepted and not finished at a time (in flight, waiting or in service). Changes nothing.</summary>
    /// <param name="local">The agent.</param>
    /// <param name="now">The time; not before the latest send to the agent, as earlier ones are forgotten then.</param>
    public int QueueDepth(int local, Instant now)
    {
        ref readonly AgentState agent = ref _agents[local];
        if (agent.FreeAtTicks <= now.Ticks) return 0;
        return 1 + _unfinished.CountUnfinished(agent.WaitingTail, now.Ticks, agent.WaitingCount);
    }

    /// <summary>
    /// The true quantile of READY − sent, in ms, for the next send to an agent, given all that could be known when it is sent: the agent's
    /// scales, the level of its path, the backlog, the law of the noise and of stragglers; and given that it is not lost. With a trace, the
    /// law of that part is the empirical one around the recorded sample that the send will consume: hindsight. Changes nothing.
    /// </summary>
    /// <param name="local">The agent.</param>
    /// <param name="sendAt">When the message would leave the mesh; not before the latest send to the agent.</param>
    /// <param name="payloadWeight">Payload weight, at least 0; 1 is standard.</param>
    /// <param name="level">The level, above 0 and below 1.</param>
    public float OracleQuantileMs(int local, Instant sendAt, float payloadWeight, float level)
    {
        Invariant.Check(level is > 0 and < 1);
        ref readonly AgentState agent = ref _agents[local];
        double backlogMs = agent.FreeAtTicks <= sendAt.Ticks ? 0 : (agent.FreeAtTicks - sendAt.Ticks) / (double)Instant.TicksPerMs;
        float weightFactor = WeightFactor(payloadWeight);
        if (backlogMs <= 0 && _paths is null && _groups is null)
            return _blueprint.OracleOf(agent.Class).Quantile(agent.NetworkMs * agent.Level * agent.OutShare, agent.ServiceMs * weightFactor, level);

        ReadOnlySpan<float> network = _paths is null ? _profiles.NetworkRatio : _paths.Law(agent.Path, agent.PathAt);
        ReadOnlySpan<float> service = _groups is null ? _profiles.ServiceRatio[agent.Class] : _groups.Law(agent.Group, agent.GroupAt);
        double outScale = _paths is null ? agent.NetworkMs * agent.Level * agent.OutShare : agent.OutShare;
        double serviceScale = _groups is null ? agent.ServiceMs * weightFactor : weightFactor;
        SumQuantile.Straggler straggler = _groups is null ? _blueprint.Straggler : SumQuantile.Straggler.None;
        return SumQuantile.Solve(network, outScale, backlogMs, service, serviceScale, straggler, level);
    }

    /// <summary>
    /// One heartbeat's round trip in ms, or NaN when it was lost. It sees the level of the path but takes no queue and consumes no draw of
    /// a send. With a trace it shows the recorded round trip before the one that the next send will consume.
    /// </summary>
    public float HeartbeatRttMs(int local)
    {
        ref AgentState agent = ref _agents[local];
        if (_paths is not null) return _paths.Sample(agent.Path, agent.PathAt + (uint)_paths.Length(agent.Path) - 1);
        ulong word = new AgentDraws(_options.Seed, agent.GlobalIndex).Bits(AgentDraws.Stream.Heartbeat, agent.HeartbeatCount++);
        if (AgentDraws.High(word) < _blueprint.LossRate) return float.NaN;
        return agent.NetworkMs * agent.Level * QuantileLaw.Quantile(_profiles.NetworkRatio, AgentDraws.Low(word));
    }

    /// <summary>M 3.1's factor for the payload, 1 at weight 1, where the agent's scale is defined.</summary>
    private static float WeightFactor(float payloadWeight) => (1 + (0.5f * payloadWeight)) / 1.5f;

    /// <summary>The next round trip in ms, NaN for a recorded loss; moves the path on by one.</summary>
    private float RoundTrip(ref AgentState agent, double u, uint counter, AgentDraws draws)
    {
        if (_paths is not null)
        {
            float recorded = _paths.Sample(agent.Path, agent.PathAt);
            agent.PathAt = (agent.PathAt + 1) % (uint)_paths.Length(agent.Path);
            return recorded;
        }
        float ms = agent.NetworkMs * agent.Level * QuantileLaw.Quantile(_profiles.NetworkRatio, u);
        ulong shift = draws.Bits(AgentDraws.Stream.Shift, counter);
        if (AgentDraws.Low(shift) < _profiles.ShiftRate) agent.Level = QuantileLaw.Quantile(_profiles.PathLevel, AgentDraws.High(shift));
        return ms;
    }

    /// <summary>The next service time at weight 1, in ms.</summary>
    private float Service(ref AgentState agent, double u, double straggles)
    {
        if (_groups is not null)
        {
            float recorded = _groups.Sample(agent.Group, agent.GroupAt);
            agent.GroupAt = (agent.GroupAt + 1) % (uint)_groups.Length(agent.Group);
            return recorded;
        }
        float ms = agent.ServiceMs * QuantileLaw.Quantile(_profiles.ServiceRatio[agent.Class], u);
        return straggles < _options.StragglerRate ? ms * _options.StragglerFactor : ms;
    }

    /// <summary>Which way a lost message was lost: as often out as back.</summary>
    private (bool Request, bool Ack) Losses(float roundTripMs, double u)
    {
        double rate = _paths is null ? _blueprint.LossRate : float.IsNaN(roundTripMs) ? 1 : 0;
        return (u < 0.5 * rate, u >= 0.5 * rate && u < rate);
    }

    /// <summary>A recorded loss of the ack tells nothing of the way out: it took the median of its surroundings.</summary>
    private float MedianRoundTrip(ref AgentState agent) =>
        QuantileLaw.Quantile(_paths!.Law(agent.Path, agent.PathAt + (uint)_paths.Length(agent.Path) - 1), 0.5);

    private TrinaryState StateOf(bool ackLost, ulong fate) =>
        ackLost ? TrinaryState.Transit : AgentDraws.Third(fate, 2) < _options.ConflictRate ? TrinaryState.Conflict : TrinaryState.Ready;

    /// <summary>Forgets what is finished at a time and returns how many are not.</summary>
    private int Settle(ref AgentState agent, long nowTicks)
    {
        if (agent.WaitingCount > 0) agent.WaitingTail = _unfinished.DropFinished(agent.WaitingTail, nowTicks, ref agent.WaitingCount);
        return agent.FreeAtTicks <= nowTicks ? 0 : agent.WaitingCount + 1;
    }

    /// <summary>One agent, one cache line: a send touches this and the shared laws only.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct AgentState
    {
        public long FreeAtTicks;
        public int GlobalIndex;
        public uint SendCount;
        public uint HeartbeatCount;
        public float NetworkMs;
        public float ServiceMs;
        public float OutShare;
        public float Level;
        public int WaitingTail;
        public int WaitingCount;
        public uint PathAt;
        public uint GroupAt;
        public ushort Path;
        public ushort Group;
        public byte Class;
    }
}
