using Mesh30K.Simulation.Prediction;

namespace Mesh30K.Simulation.Tests.Prediction;

public sealed class RecordedSeriesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mesh-series-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Ripe_losses_are_skipped_and_a_folder_is_a_series_a_file()
    {
        Write("b.csv", "epoch;rtt;cp\n1;20;0\n");
        Write("a.csv", "epoch;rtt;cp\n1;10.5;0\n2;1000;0\n3;-3;0\n4;11;1\n");
        IReadOnlyList<RecordedSeries> read = RecordedSeries.Read(new SeriesRequest { Path = _folder, Format = SeriesFormat.Ripe });
        Assert.Equal(["a", "b"], read.Select(s => s.Name));
        Assert.Equal([10.5f, 11f], read[0].Values);
    }

    [Fact]
    public void Csv_columns_match_a_pattern_and_groups_split_the_rows()
    {
        string file = Write("x.csv", "day,runtime,arch,init_ms_0,init_ms_1\n1,go,arm,1,2\n1,\"a,b\",arm,3,\n2,go,arm,4,5\n");
        IReadOnlyList<RecordedSeries> read = RecordedSeries.Read(new SeriesRequest { Path = file, Columns = "init_ms_*", Groups = "runtime,arch" });
        Assert.Equal(["go|arm", "a,b|arm"], read.Select(s => s.Name));
        Assert.Equal([1f, 2f, 4f, 5f], read[0].Values);
        Assert.Equal([3f], read[1].Values);
        Assert.Single(RecordedSeries.Read(new SeriesRequest { Path = file, Columns = "init_ms_1" }));
    }

    [Theory]
    [InlineData("", 0, "empty file")]
    [InlineData("a,b\n", 0, "no values")]
    [InlineData("a,b\n1,2\n1\n", 3, "1 fields")]
    [InlineData("a,b\n1,2\n1,fast\n", 3, "'fast' in column b")]
    [InlineData("a,b\n1,NaN\n", 2, "'NaN' in column b")]
    [InlineData("a,b\n1,-4\n", 2, "-4 in column b")]
    [InlineData("a,b\n\"1,2\n", 2, "quote")]
    [InlineData("a,c\n1,2\n", 1, "no column 'b'")]
    public void A_mistake_in_csv_is_named_with_its_line(string text, int line, string found)
    {
        string file = Write("bad.csv", text);
        var e = Assert.Throws<PredictionInputException>(() => RecordedSeries.Read(new SeriesRequest { Path = file, Columns = "b" }));
        Assert.Equal(line, e.Line);
        Assert.Contains(found, e.Message, StringComparison.Ordinal);
        Assert.Contains("expected", e.Message, StringComparison.Ordinal);
        Assert.StartsWith(file, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("epoch,rtt\n1,2\n", 1)]
    [InlineData("epoch;rtt;cp\n1;2;0\n1;2\n", 3)]
    [InlineData("epoch;rtt;cp\n1;;0\n", 2)]
    public void A_mistake_in_ripe_is_named_with_its_line(string text, int line)
    {
        string file = Write("bad.csv", text);
        var e = Assert.Throws<PredictionInputException>(() => RecordedSeries.Read(new SeriesRequest { Path = file, Format = SeriesFormat.Ripe }));
        Assert.Equal(line, e.Line);
    }

    [Fact]
    public void A_missing_path_an_empty_folder_no_column_and_bytes_that_are_no_text_are_refused()
    {
        Assert.Throws<PredictionInputException>(() => RecordedSeries.Read(new SeriesRequest { Path = Path.Combine(_folder, "none.csv") }));
        Assert.Throws<PredictionInputException>(() => RecordedSeries.Read(new SeriesRequest { Path = _folder }));
        string file = Write("x.csv", "a,b\n1,2\n");
        Assert.Throws<PredictionInputException>(() => RecordedSeries.Read(new SeriesRequest { Path = file }));
        Assert.Throws<PredictionInputException>(() => RecordedSeries.Read(new SeriesRequest { Path = file, Columns = "b", Groups = "kind" }));
        File.WriteAllBytes(file, [0xFF, 0xFE, 0x00, 0xD8]);
        Assert.Throws<PredictionInputException>(() => RecordedSeries.Read(new SeriesRequest { Path = file, Columns = "b" }));
    }

    private string Write(string name, string text)
    {
        string file = Path.Combine(_folder, name);
        File.WriteAllText(file, text);
        return file;
    }
}
