using Mesh30K.Cli.Output;
using Mesh30K.Node.Api;
using Spectre.Console;

namespace Mesh30K.Cli.Tests.Output;

public sealed class CliOutputTests
{
    [Theory]
    [InlineData(true, false, null, null, true)]
    [InlineData(false, false, null, null, false)]
    [InlineData(true, true, null, null, false)]
    [InlineData(true, false, "1", null, false)]
    [InlineData(true, false, "", null, true)]
    [InlineData(true, false, null, "dumb", false)]
    public void Colour_only_on_a_terminal_that_wants_it(bool terminal, bool noColor, string? noColorVariable, string? term, bool colour)
    {
        using StringWriter written = new();
        CliContext context = new()
        {
            Out = written,
            Error = TextWriter.Null,
            OutIsTerminal = terminal,
            Environment = name => name == "NO_COLOR" ? noColorVariable : name == "TERM" ? term : null,
            WorkingDirectory = Path.GetTempPath(),
        };
        new CliOutput(context, json: false, noColor, verbose: false).Result(new { A = 1 }, console => console.Markup("[green]yes[/]"));
        Assert.Equal(colour, written.ToString().Contains('\u001b', StringComparison.Ordinal));
        Assert.Contains("yes", written.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_result_is_refused()
    {
        CliOutput output = new(Silent(), json: true, noColor: false, verbose: false);
        output.Result(new { A = 1 }, _ => { });
        Assert.Throws<InvalidOperationException>(() => output.Result(new { A = 1 }, _ => { }));
    }

    [Fact]
    public void A_result_that_is_not_an_object_is_refused()
    {
        CliOutput output = new(Silent(), json: true, noColor: false, verbose: false);
        Assert.Throws<InvalidOperationException>(() => output.Result(new[] { 1 }, _ => { }));
    }

    [Theory]
    [InlineData("broadcst", "broadcast")]
    [InlineData("simluate", "simulate")]
    [InlineData("comp", "completion")]
    [InlineData("UP", "up")]
    [InlineData("xylophone", null)]
    [InlineData("q", null)]
    [InlineData("", null)]
    public void Nearest_finds_what_was_meant(string word, string? meant) =>
        Assert.Equal(meant, Nearest.To(word, ["up", "broadcast", "simulate", "completion", "doctor"]));

    private static CliContext Silent() =>
        new() { Out = TextWriter.Null, Error = TextWriter.Null, Environment = _ => null, WorkingDirectory = Path.GetTempPath() };
}
