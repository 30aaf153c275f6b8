using Mesh30K.Consistency.Layers;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Prints which operation gets which layer of consistency.</summary>
public sealed class LayersCommand() : VerbCommand("layers", "Show which operation gets which layer of consistency, and why")
{
    public override IReadOnlyList<string> Examples { get; } = ["mesh layers", "mesh layers --json"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        run.Output.Result(new { Operations = OperationLayers.All }, console =>
        {
            Table table = new Table().Border(TableBorder.None).AddColumns("operation", "layer", "example", "reason", "command");
            foreach (OperationLayer row in OperationLayers.All)
            {
                string[] cells = [row.Operation, row.Layer.ToString().ToLowerInvariant(), row.Example, row.Reason, row.Command ?? "not built yet"];
                table.AddRow([.. cells.Select(Markup.Escape)]);
            }
            console.Write(table);
        });
        return Task.FromResult(ExitCode.Ok);
    }
}
