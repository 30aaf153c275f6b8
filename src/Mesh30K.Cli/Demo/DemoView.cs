using System.Globalization;
using Mesh30K.Cli.Commands;
using Spectre.Console;

namespace Mesh30K.Cli.Demo;

/// <summary>The demo's report for people: a histogram of arrivals around T for each planner, and a table to compare them.</summary>
internal static class DemoView
{
    private const int BarWidth = 42;

    public static void Render(IAnsiConsole console, DemoReport report)
    {
        foreach (PlannerReport planner in report.Planners) Histogram(console, planner);
        console.Write(Comparison(report));
        console.WriteLine("hits: within the window, by T: READY by T, both of what was sent. spread (of arrivals), starts (with early agents holding until T) and error (p50/p90) in ms.");
        PlannerReport learned = report.Planners.First(p => p.Planner == "learned");
        console.MarkupLineInterpolated(
            $"[bold]learned[/]: {learned.Ready / report.Rounds:N0} of {report.Agents:N0} agents READY, {learned.Skipped / report.Rounds:N0} skipped by name (they cannot make T); decision [bold]{learned.Decision}[/].");
        LearnedComparison c = report.Learned;
        PlannerReport fireNow = report.Planners.First(p => p.Planner == "fire-now");
        console.MarkupLineInterpolated(
            $"Its arrivals lie {c.FireNowSpreadToLearned:0.0} times closer together than with fire-now, their start spread is {learned.StartSpreadMs:0.0} ms against {fireNow.StartSpreadMs:0.0}; the oracle's arrivals spread over {report.Planners.First(p => p.Planner == "oracle").SpreadMs:0.0} ms, learned's over {learned.SpreadMs:0.0}.");
        console.MarkupLineInterpolated($"{report.Rounds} {(report.Rounds == 1 ? "round" : "rounds")} a planner; sends left {report.ReleaseMs.P50:0.00} ms after their planned time at p50, {report.ReleaseMs.P99:0.00} at p99; {report.ResidentMb:0} MB resident, {report.WallS:0.0} s.");
    }

    private static void Histogram(IAnsiConsole console, PlannerReport planner)
    {
        console.MarkupLineInterpolated($"[bold]{planner.Planner}[/]  [dim]READY − T in ms; T was {planner.TargetInMs:0} ms after the start[/]");
        long most = Math.Max(1, planner.Histogram.Max(b => b.Arrivals));
        foreach (HistogramBar bar in planner.Histogram)
        {
            double share = (double)bar.Arrivals / most;
            int eighths = (int)Math.Ceiling(share * BarWidth * 8);
            string drawn = new string('█', eighths / 8) + (eighths % 8 == 0 ? "" : "▏▎▍▌▋▊▉"[eighths % 8 - 1].ToString());
            string colour = bar.ToMs <= 0 ? "green" : "yellow";
            string mark = bar.ToMs == 0 ? "T" : " ";
            console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"  {Label(bar),12} {mark}│[{colour}]{drawn}[/] {bar.Arrivals:N0}");
        }
        console.WriteLine();
    }

    private static string Label(HistogramBar bar) => bar switch
    {
        { FromMs: <= -1e9 } => string.Create(CultureInfo.InvariantCulture, $"≤ {bar.ToMs:0}"),
        { ToMs: >= 1e9 } => string.Create(CultureInfo.InvariantCulture, $"> {bar.FromMs:0}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bar.FromMs:0}…{bar.ToMs:0}"),
    };

    private static Table Comparison(DemoReport report)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string name in (string[])["planner", "decision", "hits", "by T", "spread", "starts", "error", "sent", "transit", "skip"])
            table.AddColumn(new TableColumn(name) { Alignment = name is "planner" or "decision" ? Justify.Left : Justify.Right, NoWrap = true, Padding = new Padding(0, 0, 0, 0) });
        foreach (PlannerReport p in report.Planners)
        {
            string colour = p.Decision == "PROCEED" ? "green" : "yellow";
            table.AddRow(
                p.Planner, $"[{colour}]{p.Decision}[/]", $"{Views.Share(p.WindowHitRate)}", $"{Views.Share(p.ReadyByTargetRate)}", $"{p.SpreadMs:0.0}", $"{p.StartSpreadMs:0.0}",
                $"{p.PredictionErrorMs.P50:0.0}/{p.PredictionErrorMs.P90:0.0}", $"{p.Sent / report.Rounds:N0}", $"{p.Transit / report.Rounds:N0}", $"{p.Skipped / report.Rounds:N0}");
        }
        return table;
    }
}
