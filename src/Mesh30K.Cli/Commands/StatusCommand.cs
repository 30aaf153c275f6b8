using Mesh30K.Cli.Client;
using Mesh30K.Node.Api;
using Mesh30K.Node.Api.Status;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>The mesh at a glance (M 7.1).</summary>
public sealed class StatusCommand() : NodeVerb("status", "Show how the mesh is doing")
{
    public override IReadOnlyList<string> Examples { get; } = ["mesh status", "mesh status --json", "mesh status --verbose"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        NodeAnswer<StatusView> status = await client.GetAsync("/v1/status", ApiViews.Default.StatusView, run.Stop).ConfigureAwait(false);
        run.Output.Result(status.Json, console => Render(console, status.Value, run.Output.Verbose));
        return ExitCode.Ok;
    }

    private static void Render(IAnsiConsole console, StatusView s, bool verbose)
    {
        string colour = s.Mode is "FULL" ? "green" : s.Mode.StartsWith("DEGRADED_LIGHT", StringComparison.Ordinal) ? "yellow" : "red";
        Grid grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        Row(grid, "Agents", $"{s.AgentsActive:N0} / {s.AgentsTotal:N0} active ({Views.Share(s.ActiveRate)})");
        Row(grid, "Sectors", $"{s.SectorsHealthy}/{s.SectorsTotal} healthy");
        Row(grid, "Mean impedance", $"{s.MeanImpedanceMs:0} ms");
        Row(grid, "Conflicts (last hour)", $"{s.ConflictsLastHour:N0}");
        grid.AddRow(new Markup("Mode:"), new Markup($"[{colour}]{Markup.Escape(s.Mode)}[/]"));
        Row(grid, "Last cascade", s.LastCascade is { } c ? $"{Views.Ago(c.MsAgo)} ago: {c.Cascade}, {c.Decision}, {c.AgentsReached:N0} of {c.Targets:N0} agents" : "none yet");
        if (s.Links is { AgentsConnected: > 0 } or { Refused: > 0 })
            Row(grid, "Connected agents", $"{s.Links.AgentsConnected:N0} of at most {s.Links.ConnectionsMax:N0}; {s.Links.Refused:N0} refused, {s.Links.Redelivered:N0} sends repeated, {s.Links.Dropped:N0} dropped");
        if (s.OperationsUnfinished > 0) Row(grid, "In progress", $"{s.OperationsUnfinished} operations");
        if (s.NotReadyBecause is { } why) grid.AddRow(new Markup("Not ready:"), new Markup($"[red]{Markup.Escape(Plain.Line(why))}[/]"));
        if (verbose)
        {
            Row(grid, "Loops busy", string.Join(" ", s.Host.Loops.Select(l => $"{Views.Share(l.BusyShare)}")));
            Row(grid, "Sends released", $"{s.Host.Release.Released:N0}, late by {s.Host.Release.LatenessP50Ms:0.###} ms p50, {s.Host.Release.LatenessP99Ms:0.###} ms p99");
            Row(grid, "Lost batches", $"{s.Host.LostBatches:N0}");
            Row(grid, "Late acks", $"{s.Host.LateAcks:N0}");
        }
        console.Write(new Panel(grid).Header(s.Simulated ? "MESH-30K STATUS (simulated fleet)" : "MESH-30K STATUS").Border(BoxBorder.Square));
    }

    private static void Row(Grid grid, string name, string value) => grid.AddRow(new Markup(Markup.Escape(name + ":")), new Markup(Markup.Escape(value)));
}
