using Mesh30K.Cli.Client;
using Mesh30K.Node.Api.Operations;
using Mesh30K.Node.Api.Status;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>How the node's answers look for people. What agents or others wrote is shown without control characters.</summary>
internal static class Views
{
    /// <summary>A span in the two largest units: <c>3h 27m</c>, <c>12 s</c>.</summary>
    public static string Ago(double ms)
    {
        TimeSpan span = TimeSpan.FromMilliseconds(Math.Clamp(ms, 0, TimeSpan.FromDays(3650).TotalMilliseconds));
        return span.TotalDays >= 1 ? $"{(int)span.TotalDays}d {span.Hours}h"
            : span.TotalHours >= 1 ? $"{span.Hours}h {span.Minutes}m"
            : span.TotalMinutes >= 1 ? $"{span.Minutes}m {span.Seconds}s"
            : $"{span.TotalSeconds:0} s";
    }

    public static void Operation(IAnsiConsole console, OperationView o)
    {
        string what = o.Cascade is { } cascade ? $"{cascade} cascade" : o.Strategy;
        console.MarkupLineInterpolated($"{what} of {o.Verb}, {o.Planner}: [{ColourOf(o)}]{o.Decision?.Decision ?? o.State}[/]{(o.Status is null ? "" : $" ({o.Status})")}");
        if (o.Decision is { } decision)
        {
            Line(console, $"  {decision.Reason}");
            if (decision.Recommendation is { } advice) Line(console, $"  advice: {advice}");
            if (decision.Warning is { } warning) Line(console, $"  warning: {warning}");
        }
        if (o.Counts is { } c)
            Line(console, $"  agents: {c.Targets:N0} targets, {c.Sent:N0} sent, {c.Ready:N0} ready, {c.Conflict:N0} conflict, {c.Transit:N0} in transit, {c.Skipped:N0} skipped");
        if (o.Arrival is { } a)
        {
            Line(console, $"  arrival: window ±{o.WindowMs:0.###} ms hit by {Share(o.WindowHitRate)}, ready by T {Share(o.ReadyByTargetRate)}, start spread {a.StartSpreadMs:0.#} ms, spread {a.SpreadMs:0.#} ms");
            Line(console, $"  prediction error: {a.PredictionErrorMs.P50:0.#} ms p50, {a.PredictionErrorMs.P90:0.#} ms p90");
        }
        if (o.Phases is { Count: > 1 })
            foreach (PhaseView phase in o.Phases) Line(console, $"  {phase.Name}: {phase.Decision.Decision}, {phase.Counts.Ready:N0} of {phase.Counts.Sent:N0} ready, {phase.Counts.Skipped:N0} skipped");
        if (o.Answers is { } answers) Answers(console, answers);
        Line(console, $"  operation {o.OperationId}{(o.TotalMs is { } total ? $", {total:N0} ms" : "")}");
        if (o.Counts is { } n && n.Targets > n.Ready && o.DetailsKept is true) Line(console, $"  who did not make it: mesh operation {o.OperationId} --roster");
    }

    public static void Answers(IAnsiConsole console, AnswersView answers)
    {
        Line(console, $"{answers.Kept:N0} responses:");
        foreach (AnswerGroup group in answers.Groups) Line(console, $"  - {group.Agents:N0} {(group.Agents == 1 ? "agent" : "agents")}: {Plain.Line(group.Value, 200)}");
        if (answers.GroupsTotal > answers.Groups.Count) Line(console, $"  - {answers.GroupsTotal - answers.Groups.Count:N0} other values");
        foreach (ConflictGroup conflict in answers.ConflictTypes)
        {
            Line(console, $"  - {conflict.Agents:N0} {(conflict.Agents == 1 ? "agent" : "agents")}: CONFLICT ({conflict.Type})");
            foreach (ConflictWhy why in conflict.Whys) Line(console, $"      {why.Agents:N0}: {Plain.Line(why.Why, 200)}");
        }
    }

    public static void DryRun(IAnsiConsole console, DryRunView d)
    {
        Line(console, $"Nothing was sent. {d.Cascade ?? d.Strategy} of {d.Verb} ({d.PayloadBytes:N0} bytes of payload), planner {d.Planner}, window ±{d.WindowMs:0.###} ms, timeout {d.TimeoutMs:0.###} ms:");
        Line(console, $"  would be sent to {d.WouldSend:N0} of {d.Targets:N0} agents in {d.Clusters:N0} clusters of {d.Sectors:N0} sectors");
        foreach ((string name, int count) in d.ByClass ?? new Dictionary<string, int>()) Line(console, $"    {name}: {count:N0}");
        foreach ((string reason, int count) in d.WouldSkip) Line(console, $"  would skip {count:N0}: {reason}");
        Line(console, "  Whether each of them can make the target is worked out only when it is sent.");
    }

    public static Table Agents(AgentPage page)
    {
        Table table = Table("agent", "class", "cluster", "state", "impedance ms", "queue", "reliability");
        foreach (AgentView a in page.Agents)
            Add(table, a.AgentId, a.AgentClass, a.ClusterId, a.OperationalState, $"{a.ImpedanceScore:0.#}", $"{a.CurrentQueueDepth}", $"{Share(a.ReliabilityScore)}");
        return table;
    }

    public static Table Sectors(IEnumerable<SectorView> sectors)
    {
        Table table = Table("sector", "healthy", "active", "mean impedance ms", "slowest cluster");
        foreach (SectorView s in sectors)
            Add(table, $"{s.Index}", s.AgentsTotal == 0 ? "empty" : s.Healthy ? "yes" : "no", $"{s.AgentsActive}/{s.AgentsTotal}", $"{s.MeanImpedanceMs:0.#}", s.SickestCluster ?? "");
        return table;
    }

    public static Table Clusters(SectorDetail sector)
    {
        Table table = Table("cluster", "active", "mean ms", "p95 ms", "slowest", "slow", "unstable");
        foreach (ClusterView c in sector.Clusters)
            Add(table, $"{c.Index}", $"{c.AgentsActive}/{c.AgentsTotal}", $"{c.MeanImpedanceMs:0.#}", $"{c.P95ImpedanceMs:0.#}", c.SlowestAgent ?? "", $"{c.DegradedAgents.Count}", $"{c.UnstableAgents.Count}");
        return table;
    }

    public static Table Operations(OperationPage page)
    {
        Table table = Table("operation", "what", "state", "decision", "ready", "sent", "skipped", "ms");
        foreach (OperationView o in page.Operations)
        {
            Add(
                table, o.OperationId, $"{o.Cascade ?? o.Strategy} {o.Verb}", o.Status ?? o.State, o.Decision?.Decision ?? "", $"{o.Counts?.Ready:N0}", $"{o.Counts?.Sent:N0}",
                $"{o.Counts?.Skipped:N0}", $"{o.TotalMs:N0}");
        }
        return table;
    }

    public static Table Roster(RosterPage page)
    {
        Table table = Table("agent", "cluster", "outcome", "why", "needed ms", "available ms", "missing ms");
        foreach (RosterView r in page.Roster)
            Add(table, r.AgentId, r.Cluster, r.Outcome, WhyOf(r), $"{r.NeededMs:0.#}", $"{r.AvailableMs:0.#}", $"{r.MissingMs:0.#}");
        return table;
    }

    /// <summary>A rate as percent, 0 when it is not known.</summary>
    public static string Share(double? rate) => $"{(rate ?? 0) * 100:0.0}%";

    public static void Line(IAnsiConsole console, string text) => console.Write(new Text(Plain.Line(text) + "\n"));

    /// <summary>The reason, with a capability that is missing which one, and with a conflict the agent's own words.</summary>
    private static string WhyOf(RosterView r)
    {
        if (r.Reason == "capability_missing" && r.ExpectedValue is { } missing) return $"capability_missing: {missing}";
        return (r.Reason ?? r.ConflictType ?? "") + (r.Why is null ? "" : $": {r.Why}");
    }

    private static string ColourOf(OperationView o) => o.Decision?.Decision switch { "PROCEED" => "green", null => "yellow", _ => "red" };

    /// <summary>The first column is what the reader copies into the next command, so it is never broken.</summary>
    private static Table Table(params string[] columns) => new Table().Border(TableBorder.Simple).AddColumns([.. columns.Select((name, i) => new TableColumn(name) { NoWrap = i == 0 })]);

    private static void Add(Table table, params string[] cells) => table.AddRow([.. cells.Select(c => new Text(Plain.Line(c, 200)))]);
}
