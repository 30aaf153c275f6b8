using Mesh30K.Consistency.Layers;

namespace Mesh30K.Consistency.Tests.Layers;

public sealed class OperationLayersTests
{
    [Fact]
    public void The_page_holds_the_table_of_the_code()
    {
        IEnumerable<string> page = SourceTree.Read("docs/guide/layers.md").Split('\n').SkipWhile(l => !l.StartsWith("|---", StringComparison.Ordinal)).Skip(1)
            .TakeWhile(l => l.StartsWith('|'));
        IEnumerable<string> code = OperationLayers.All.Select(r => $"| {r.Operation} | {r.Layer.ToString().ToLowerInvariant()} | {r.Example} | {r.Reason} | {r.Command ?? "not built yet"} |");
        Assert.Equal(code, page);
    }

    [Fact]
    public void Each_operation_is_listed_once_from_the_cheapest_layer_to_the_dearest()
    {
        Assert.Distinct(OperationLayers.All.Select(r => r.Operation));
        Assert.Equal(OperationLayers.All.Select(r => r.Layer).Order(), OperationLayers.All.Select(r => r.Layer));
        Assert.Equal(Enum.GetValues<ConsistencyLayer>(), OperationLayers.All.Select(r => r.Layer).Distinct());
    }

    [Fact]
    public void Of_what_is_strong_effects_are_offered_and_the_rest_not_before_it_is_built()
    {
        Assert.All(OperationLayers.All.Where(r => r.Layer != ConsistencyLayer.Strong), r => Assert.NotNull(r.Command));
        Assert.Equal(["external effect", "deployment", "mail", "payment"], OperationLayers.All.Where(r => r is { Layer: ConsistencyLayer.Strong, Command: not null }).Select(r => r.Operation));
    }
}
