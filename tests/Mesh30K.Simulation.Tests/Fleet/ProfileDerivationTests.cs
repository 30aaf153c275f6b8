using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Tests.Fleet;

public sealed class ProfileDerivationTests
{
    private const string Regenerate = "MESH_REGENERATE_PROFILES";

    [Fact]
    public void The_embedded_profiles_are_what_the_recordings_give()
    {
        RecordedData.Require("ripe_rtt");
        string derived = ProfileDerivation.Derive(RecordedData.Require()).ToJson();
        string file = Path.Combine(RecordedData.RepositoryRoot(), "src", "Mesh30K.Simulation", "Fleet", "profiles.json");
        if (Environment.GetEnvironmentVariable(Regenerate) == "1") File.WriteAllText(file, derived);

        Assert.True(
            string.Equals(File.ReadAllText(file), derived, StringComparison.Ordinal),
            $"profiles.json differs from what the recordings give; run this test with {Regenerate}=1 to write it anew, then build again");
    }

    [Fact]
    public void Profiles_survive_their_written_form()
    {
        string json = FleetProfiles.Embedded.ToJson();
        Assert.Equal(json, FleetProfiles.FromJson(json).ToJson());
    }

    [Fact]
    public void Every_shape_ascends_and_has_a_median_of_about_one()
    {
        FleetProfiles p = FleetProfiles.Embedded;
        float[][] shapes = [p.NetworkRatio, p.PathLevel, .. p.ServiceRatio];
        foreach (float[] shape in shapes)
        {
            Assert.True(shape[0] > 0);
            for (int i = 1; i < shape.Length; i++) Assert.True(shape[i] >= shape[i - 1]);
            Assert.InRange(QuantileLaw.Quantile(shape, 0.5), 0.98, 1.02);
        }
    }

    [Fact]
    public void A_knot_is_found_at_or_below_every_level()
    {
        ReadOnlySpan<double> levels = QuantileLaw.Levels;
        for (int i = 0; i <= 100_000; i++)
        {
            double level = i / 100_000.0;
            int k = QuantileLaw.KnotAtOrBelow(level);
            Assert.True(levels[k] <= level && (level < levels[k + 1] || k == levels.Length - 2), $"level {level} gave knot {k}");
        }
    }
}
