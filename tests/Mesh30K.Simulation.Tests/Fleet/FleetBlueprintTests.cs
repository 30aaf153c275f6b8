using Mesh30K.Protocol.Identity;
using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Tests.Fleet;

public sealed class FleetBlueprintTests
{
    [Fact]
    public void The_reference_fleet_has_the_documented_classes_in_order()
    {
        var fleet = new FleetBlueprint(new FleetOptions());
        Assert.Equal([10_000, 8_000, 5_000, 2_000, 3_000, 2_000], ImpedanceClasses.All.Select(fleet.CountOf));
        Assert.Equal(ImpedanceClass.Edge, fleet.ClassOf(9_999));
        Assert.Equal(ImpedanceClass.Serverless, fleet.ClassOf(10_000));
        Assert.Equal(ImpedanceClass.Human, fleet.ClassOf(29_999));
        Assert.Equal("edge-00001", fleet.IdOf(0).Value);
        Assert.Equal("edge-10000", fleet.IdOf(9_999).Value);
        Assert.Equal("gpu-00001", fleet.IdOf(23_000).Value);
        Assert.Equal("human-02000", fleet.IdOf(29_999).Value);
        Assert.Contains("inference", fleet.CapabilitiesOf(23_000));
        Assert.Equal(64, fleet.ContextHashOf(0).Length);
    }

    [Fact]
    public void Every_id_is_valid_and_unique_in_a_fleet_that_needs_more_digits()
    {
        var fleet = new FleetBlueprint(new FleetOptions { Agents = 400_000 });
        var seen = new HashSet<string>();
        for (int i = 0; i < fleet.Agents; i++)
        {
            string id = fleet.IdOf(i).Value;
            Assert.True(AgentId.IsValid(id) && seen.Add(id), id);
        }
        Assert.Equal("edge-000001", fleet.IdOf(0).Value);
    }

    [Fact]
    public void Odd_sizes_are_apportioned_to_the_last_agent()
    {
        for (int agents = 1; agents <= 200; agents++)
        {
            var fleet = new FleetBlueprint(new FleetOptions { Agents = agents });
            Assert.Equal(agents, ImpedanceClasses.All.Sum(fleet.CountOf));
            _ = fleet.ClassOf(agents - 1);
        }
    }

    [Fact]
    public void An_option_out_of_range_is_named_with_its_range()
    {
        var e = Assert.Throws<ArgumentOutOfRangeException>(() => new FleetBlueprint(new FleetOptions { PathAsymmetry = 0.5 }));
        Assert.Contains("PathAsymmetry", e.Message, StringComparison.Ordinal);
        Assert.Contains("0 to below 0.5", e.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new FleetBlueprint(new FleetOptions { Agents = -1 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FleetBlueprint(new FleetOptions { LossRate = double.NaN }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FleetBlueprint(
            new FleetOptions { ClassShares = new Dictionary<ImpedanceClass, double>() }));
    }
}
