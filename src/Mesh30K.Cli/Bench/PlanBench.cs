using System.Diagnostics;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Cli.Bench;

/// <summary>
/// From one order at every lead to every agent's send, planned and put in its bucket: production leads with warm estimators, one after the
/// other on one thread, their effects taken into the list that the event loop hands to its release thread. A node does it on all its loops
/// at once; the last step, the release thread's own wheel, is told beside it.
/// </summary>
internal sealed class PlanBench : IBench
{
    private readonly record struct Planned(Delivery Delivery);

    public string Name => "plan";

    public string Summary => "Plan and bucket one send to every agent";

    public double? SecondsPerRun => null;

    public async Task<BenchReport> RunAsync(BenchArguments arguments)
    {
        MeshAssembly mesh = BenchFleet.Roles(arguments.Agents);
        Fixture fixture = new(mesh, arguments.Agents);
        _ = fixture.MedianOf(40, fixture.Plan);
        double[] values = await arguments.RepeatAsync(Name, () => fixture.MedianOf(5, fixture.Plan)).ConfigureAwait(false);
        double[] limit = await arguments.RepeatAsync("plan limit", () => fixture.MedianOf(5, fixture.ReadPrepared)).ConfigureAwait(false);
        double[] wheel = await arguments.RepeatAsync("plan, then the wheel", () => fixture.MedianOf(3, fixture.FillWheel)).ConfigureAwait(false);
        double[] empty = await arguments.RepeatAsync("plan harness", () => fixture.MedianOf(5, static () => 0)).ConfigureAwait(false);
        return new BenchReport
        {
            Bench = Name,
            Unit = "ms",
            What = "one order to each lead: selection, refusals, lead from the learned quantiles, bucket, slip, deliveries into the loop's list; one thread",
            Values = values,
            LimitWhat = "reading one prepared number an agent from one array",
            LimitValues = limit,
            Aim = 1,
            Extra =
            [
                ("agents", arguments.Agents), ("sends", fixture.Sends), ("skipped", fixture.Skipped), ("clusters", mesh.Settings.Shape.Clusters),
                ("release_wheel_ms", BenchReport.Quantile(wheel, 0.5)), ("harness_ms", BenchReport.Quantile(empty, 0.5)),
                ("value_is", "median of 5 plans a run"),
            ],
        };
    }

    private sealed class Fixture
    {
        private readonly MeshAssembly _mesh;
        private readonly float[] _prepared;
        private readonly Effects _effects = new();
        private readonly EffectList<Planned> _list = new();
        private Instant _now = Instant.FromUnixMs(1_700_000_000_000);
        private long _handle;

        public Fixture(MeshAssembly mesh, int agents)
        {
            _mesh = mesh;
            _prepared = [.. Enumerable.Range(0, agents).Select(i => (float)i)];
        }

        public int Sends { get; private set; }

        public int Skipped { get; private set; }

        public double Sum { get; private set; }

        public double MedianOf(int times, Func<int> body)
        {
            double[] ms = new double[times];
            for (int i = 0; i < times; i++)
            {
                _now = _now.PlusMs(20_000);
                long from = Stopwatch.GetTimestamp();
                int sends = body();
                ms[i] = Stopwatch.GetElapsedTime(from).TotalMilliseconds;
                if (sends > 0) Close();
            }
            return BenchReport.Quantile(ms, 0.5);
        }

        /// <summary>Orders every lead, and takes its deliveries as a loop does. Returns the sends.</summary>
        public int Plan()
        {
            OperationOrder order = Order();
            _list.Clear();
            foreach (SectorUnit unit in _mesh.Units)
            {
                foreach (ClusterLead lead in unit.Leads)
                {
                    lead.Step(order, _now, _effects);
                    foreach (ref readonly Delivery delivery in _effects.Deliveries.Items) _list.Add(new Planned(delivery));
                    _effects.Clear();
                }
            }
            Sends = _list.Count;
            Skipped = _prepared.Length - Sends;
            return Sends;
        }

        /// <summary>What the release thread does with the _list: each send onto its timing wheel.</summary>
        public int FillWheel()
        {
            if (_list.Count == 0) return 0;
            TimingWheel<Planned> wheel = new(_now, TimeSpan.FromTicks(1_000));
            foreach (ref readonly Planned planned in _list.Items) wheel.Add(planned.Delivery.At, planned);
            return 0;
        }

        public int ReadPrepared()
        {
            float sum = 0;
            foreach (float lead in _prepared) sum += lead;
            Sum += sum;
            return 0;
        }

        private OperationOrder Order() => new()
        {
            Handle = ++_handle,
            OperationId = default,
            Spec = new OperationSpec(),
            Selector = Selector.Everyone,
            Payload = "null",
            Target = _now.PlusMs(4_500),
            GatherUntil = _now.PlusMs(5_000),
            ExpiresAt = _now.PlusMs(60_000),
            MissPerMs = 0.0035f,
        };

        /// <summary>Ends the gatherings, so that no lead refuses the next order; not measured.</summary>
        private void Close()
        {
            TimerRequest fired = new(_now.PlusMs(5_000), default, _handle, 0);
            foreach (SectorUnit unit in _mesh.Units)
                foreach (ClusterLead lead in unit.Leads) lead.Step(fired, fired.At, _effects);
            _effects.Clear();
        }
    }
}
