using Mesh30K.Coordination.Topology;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Coordination.Tests.Topology;

public sealed class PlacementTests
{
    private static ImpedanceClass[] ReferenceFleet(int seed)
    {
        ImpedanceClass[] classes = [.. ImpedanceClasses.All.SelectMany(c => Enumerable.Repeat(c, c.ReferenceCount()))];
        new Random(seed).Shuffle(classes);
        return classes;
    }

    /// <summary>What holds for every placement of a whole fleet.</summary>
    private static void Holds(MeshShape shape, ImpedanceClass[] classes, Placement placement, int[] clusterOf, string replay)
    {
        int used = Math.Max(1, (classes.Length + shape.AgentsPerCluster - 1) / shape.AgentsPerCluster);
        int[] load = new int[shape.Clusters];
        foreach (int k in clusterOf) load[k]++;
        Assert.True(load.Max() <= shape.AgentsPerCluster, replay);
        Assert.True(Enumerable.Range(0, shape.Clusters).All(k => placement.Load(ClusterAddress.Of(shape, k)) == load[k]), replay);
        Assert.Equal(classes.Length, placement.Count);
        int mixed = Enumerable.Range(0, classes.Length).GroupBy(i => clusterOf[i]).Count(g => g.Select(i => classes[i]).Distinct().Count() > 1);
        Assert.True(mixed < Math.Max(1, classes.Distinct().Count()), $"{replay}: {mixed} mixed clusters");
        Assert.True(load.Where(l => l > 0).DefaultIfEmpty().Max() - load.Where(l => l > 0).DefaultIfEmpty().Min() <= 1, $"{replay}: uneven clusters");
        int[] clustersOfSector = [.. load.Chunk(shape.ClustersPerSector).Select(s => s.Count(l => l > 0))];
        Assert.True(clustersOfSector.Max() - clustersOfSector.Min() <= 1, $"{replay}: uneven sectors");
        Assert.True(clustersOfSector.Sum() <= used, replay);
    }

    [Fact]
    public void The_reference_fleet_fills_the_reference_mesh_and_every_sector_has_a_slice_of_every_large_class()
    {
        ImpedanceClass[] classes = ReferenceFleet(1);
        (Placement placement, int[] clusterOf) = Placement.Fleet(MeshShape.Reference, classes);
        Holds(MeshShape.Reference, classes, placement, clusterOf, "reference");
        foreach (ImpedanceClass c in ImpedanceClasses.All)
        {
            int[] members = [.. Enumerable.Range(0, classes.Length).Where(i => classes[i] == c)];
            Assert.Equal(c.ReferenceCount(), members.Length);
            int[] perSector = new int[100];
            foreach (int i in members) perSector[clusterOf[i] / 10]++;
            // A class of n clusters is dealt over the sectors in turn: none has more than its turn.
            Assert.True(perSector.Max() <= (c.ReferenceCount() / 30 / 100 + 2) * 30, $"{c}: {perSector.Max()} in one sector");
            Assert.True(perSector.Count(n => n > 0) >= Math.Min(100, c.ReferenceCount() / 30), $"{c} is in few sectors");
        }
        Assert.Null(placement.PlaceLate(ImpedanceClass.Edge));
    }

    [Fact]
    public void Any_fleet_in_any_shape()
    {
        for (int seed = 1; seed <= 300; seed++)
        {
            Random random = new(seed);
            MeshShape shape = new(random.Next(1, 9), random.Next(1, 9), random.Next(1, 13));
            ImpedanceClass[] classes = [.. Enumerable.Range(0, random.Next(0, (int)shape.Capacity + 1)).Select(_ => (ImpedanceClass)random.Next(6))];
            (Placement placement, int[] clusterOf) = Placement.Fleet(shape, classes);
            Holds(shape, classes, placement, clusterOf, $"replay: seed {seed}");
            LateComers(shape, classes, placement, clusterOf, random, $"replay: seed {seed}");
        }
    }

    private static void LateComers(MeshShape shape, ImpedanceClass[] classes, Placement placement, int[] clusterOf, Random random, string replay)
    {
        List<ImpedanceClass>[] inside = [.. Enumerable.Range(0, shape.Clusters).Select(_ => new List<ImpedanceClass>())];
        for (int i = 0; i < classes.Length; i++) inside[clusterOf[i]].Add(classes[i]);
        for (int free = (int)shape.Capacity - classes.Length; free > 0; free--)
        {
            ImpedanceClass c = (ImpedanceClass)random.Next(6);
            int[] room = [.. Enumerable.Range(0, shape.Clusters).Where(k => inside[k].Count < shape.AgentsPerCluster)];
            int[] own = [.. room.Where(k => inside[k].Count(x => x == c) * 2 > inside[k].Count)];
            int[] empty = [.. room.Where(k => inside[k].Count == 0)];
            int SectorLoad(int k) => Enumerable.Range(0, shape.ClustersPerSector).Sum(i => inside[k / shape.ClustersPerSector * shape.ClustersPerSector + i].Count);
            int expected = own.Length > 0 ? own.MinBy(k => inside[k].Count) : empty.Length > 0 ? empty.MinBy(SectorLoad) : room.MinBy(k => inside[k].Count);
            Assert.True(placement.PlaceLate(c)!.Value.Index == expected, replay);
            inside[expected].Add(c);
        }
        Assert.Null(placement.PlaceLate(ImpedanceClass.Gpu));
        int leaver = random.Next(shape.Clusters);
        placement.Remove(ClusterAddress.Of(shape, leaver), inside[leaver][0]);
        Assert.Equal(leaver, placement.PlaceLate(ImpedanceClass.Local)!.Value.Index);
    }

    [Fact]
    public void Shapes_are_checked()
    {
        Assert.Null(MeshShape.Reference.Validate());
        Assert.Equal(30_000, MeshShape.Reference.Capacity);
        Assert.NotNull(new MeshShape(0, 1, 1).Validate());
        Assert.NotNull(new MeshShape(1, 0, 1).Validate());
        Assert.NotNull(new MeshShape(1, 1, 0).Validate());
        Assert.NotNull(new MeshShape(1, 1, MeshShape.AgentsPerClusterMax + 1).Validate());
        // The product of these wraps around to 0 in 64 bits.
        Assert.NotNull(new MeshShape(1 << 30, 1 << 30, 1 << 4).Validate());
        Assert.Equal(1, MeshShape.For(0).Sectors);
        Assert.Equal((100, 101), (MeshShape.For(30_000).Sectors, MeshShape.For(30_001).Sectors));
    }
}
