using Mesh30K.Simulation.Fleet;

namespace Mesh30K.Simulation.Tests.Fleet;

/// <summary>What a person reads when a recorded file is wrong.</summary>
public sealed class FleetInputTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mesh-fleet-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("epoch;rtt\n1;2\n", 1, "no column 'cp'; expected one of epoch, rtt")]
    [InlineData("epoch;rtt;cp\n1;2;0\n1;fast;0\n", 3, "'fast' in column 'rtt'; expected a number of milliseconds with a decimal point")]
    [InlineData("epoch;rtt;cp\n1;2,5;0\n", 2, "'2,5' in column 'rtt'; expected a number")]
    [InlineData("epoch;rtt;cp\n1;2;0\n1;2\n", 3, "2 fields; expected 3 fields separated by ';', as in the header")]
    [InlineData("epoch;rtt;cp\n1;2;yes\n", 2, "'yes' in column 'cp'; expected 0, or 1 where the level changes")]
    [InlineData("epoch;rtt;cp\n", 0, "has no data rows; expected a header row and at least one row of values")]
    [InlineData("epoch;rtt;cp\n1;1000;0\n2;-3;0\n", 0, "every round trip was lost; expected at least one answered round trip")]
    public void A_bad_path_names_file_line_fault_and_remedy(string text, int line, string message)
    {
        string file = Write("p.csv", text);
        var e = Assert.Throws<FleetInputException>(() => NetworkTrace.Load(_folder));
        Assert.Equal(file, e.File);
        Assert.Equal(line, e.Line);
        Assert.StartsWith(line > 0 ? $"{file}, line {line}: " : file + ": ", e.Message, StringComparison.Ordinal);
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_missing_or_empty_is_named()
    {
        Assert.Contains("no such folder", Error(() => NetworkTrace.Load(Path.Combine(_folder, "none"))), StringComparison.Ordinal);
        Assert.Contains("holds no .csv file", Error(() => NetworkTrace.Load(_folder)), StringComparison.Ordinal);
        Assert.Contains("cannot be read", Error(() => ServiceTrace.Load(Path.Combine(_folder, "none.csv"), "ms")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_bad_service_file_is_named_likewise()
    {
        string file = Write("s.csv", "who,ms_0,ms_1\na,1,2\nb,,-1\na,x,3\n");
        Assert.Equal(
            $"{file}, line 1: no column begins with 'init_'; expected one of who, ms_0, ms_1",
            Error(() => ServiceTrace.Load(file, "init_*")));
        Assert.Contains("line 4: 'x' in column 'ms_0'", Error(() => ServiceTrace.Load(file, "ms_*", "who")), StringComparison.Ordinal);
        Assert.Contains("no column 'which'", Error(() => ServiceTrace.Load(file, "ms_1", "which")), StringComparison.Ordinal);
        string empty = Write("e.csv", "ms,who\n-1,a\n");
        Assert.Contains("no duration in column 'ms'", Error(() => ServiceTrace.Load(empty, "ms")), StringComparison.Ordinal);
    }

    [Fact]
    public void Failed_requests_are_left_out_of_a_service_file()
    {
        string file = Write("s.csv", "who,ms\na,1\nb,\na,0\na,3\n");
        Assert.Equal(["a"], ServiceTrace.Load(file, "ms", "who").Groups);
    }

    private static string Error(Action load) => Assert.Throws<FleetInputException>(load).Message;

    private string Write(string name, string text)
    {
        string file = Path.Combine(_folder, name);
        File.WriteAllText(file, text);
        return file;
    }
}
