using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mesh30K.Cli.Client;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Protocol.Timing;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>A group of coordinators as its operator sees it.</summary>
public sealed class LedgerCommand : VerbCommand
{
    public LedgerCommand()
        : base("ledger", "Look after a group of coordinators: its servers, members, leader, snapshots")
    {
        Add(new LedgerStatusCommand());
        Add(new LedgerMembersCommand());
        Add(new LedgerTransferCommand());
        Add(new LedgerSnapshotCommand());
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh ledger status --ledger group", "mesh ledger transfer 2 --ledger group"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("ledger has sub-verbs only");
}

/// <summary>A verb on a group of coordinators.</summary>
internal abstract class GroupVerb : VerbCommand
{
    private const string Variable = "MESH_LEDGER";

    private readonly Option<string?> _ledger = new("--ledger") { Description = $"The group's folder, with group.json and the pair of a client (default: {Variable})", HelpName = "folder" };
    private readonly Option<int> _timeout = new("--timeout") { Description = "How long to try", HelpName = "seconds", DefaultValueFactory = _ => 5 };

    protected GroupVerb(string name, string summary)
        : base(name, summary)
    {
        Add(_ledger);
        Add(_timeout);
    }

    public sealed override async Task<ExitCode> RunAsync(VerbRun run)
    {
        string folder = run.Parse.GetValue(_ledger) ?? run.Context.Environment(Variable) ?? "";
        if (folder.Length == 0)
            throw new CliException(new CliError(ExitCode.Usage, "no_group", "which group?", $"Name its folder with --ledger FOLDER or {Variable}; `mesh coordinator init FOLDER` makes one."));
        int seconds = run.Parse.GetValue(_timeout);
        if (seconds is < 1 or > 3_600) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--timeout must be 1 to 3600, was {seconds}"));
        try
        {
            LedgerClient client = LedgerClient.Open(run.PathOf(folder));
            await using (client.ConfigureAwait(false)) return await RunAsync(run, client, TimeSpan.FromSeconds(seconds)).ConfigureAwait(false);
        }
        catch (GroupFolderException wrong)
        {
            throw CoordinatorCommand.Of(wrong);
        }
    }

    private protected abstract Task<ExitCode> RunAsync(VerbRun run, LedgerClient client, TimeSpan atMost);

    /// <summary>Asks all servers that are known, those that were added too. Each has a status, or says why not.</summary>
    private protected static async Task<IReadOnlyList<ServerView>> AskAllAsync(LedgerClient client, TimeSpan atMost, CancellationToken stop)
    {
        Dictionary<int, GroupServer> known = client.Group.Servers.ToDictionary(s => s.Number);
        Dictionary<int, ServerView> asked = [];
        while (known.Values.Where(s => !asked.ContainsKey(s.Number)).ToArray() is { Length: > 0 } next)
        {
            foreach (ServerView view in await Task.WhenAll(next.Select(s => AskAsync(client, s, atMost, stop))).ConfigureAwait(false))
            {
                asked.Add(view.Server, view);
                foreach (GroupServer added in view.Status?.Added ?? [])
                    if (known.TryAdd(added.Number, added)) client.Know(added);
            }
        }
        return [.. asked.Values.OrderBy(a => a.Server)];
    }

    /// <summary>The leader's view when there is one, else that of the server with the highest term.</summary>
    private protected static CoordinatorStatus? BestOf(IReadOnlyList<ServerView> views) =>
        views.Select(v => v.Status).OfType<CoordinatorStatus>().OrderByDescending(s => s.Term).ThenByDescending(s => s.Role == RaftRole.Leader).FirstOrDefault();

    private protected static CliException Unreachable(string why) =>
        new(new CliError(ExitCode.NodeUnreachable, "group_unreachable", why, "Do a majority of the servers run, and reach each other? `mesh ledger status` shows each."));

    private static async Task<ServerView> AskAsync(LedgerClient client, GroupServer server, TimeSpan atMost, CancellationToken stop)
    {
        try
        {
            return new ServerView(server.Number, server.Host, server.Port, true, await client.StatusAsync(server.Number, atMost, stop).ConfigureAwait(false), null);
        }
        catch (LedgerUnavailableException silent)
        {
            return new ServerView(server.Number, server.Host, server.Port, false, null, Plain.Line(silent.Message));
        }
    }

    private protected sealed record ServerView(int Server, string Host, int Port, bool Reachable, CoordinatorStatus? Status, string? Why);
}

/// <summary>How each server is. Exit code 1 when no server leads.</summary>
internal sealed class LedgerStatusCommand() : GroupVerb("status", "Show each server: its role, how far it has come, whether it is reachable (exit code 1 when none leads)")
{
    public override IReadOnlyList<string> Examples { get; } = ["mesh ledger status --ledger group", "MESH_LEDGER=group mesh ledger status --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, LedgerClient client, TimeSpan atMost)
    {
        IReadOnlyList<ServerView> views = await AskAllAsync(client, atMost, run.Stop).ConfigureAwait(false);
        CoordinatorStatus? best = BestOf(views);
        int leader = views.FirstOrDefault(v => v.Status is { Role: RaftRole.Leader } s && s.Term == best!.Term)?.Server ?? 0;
        run.Output.Result(new { Group = client.Group.Id, Leader = leader, Servers = views }, console =>
        {
            Views.Line(console, leader > 0 ? $"Group {client.Group.Id}: server {leader} leads in term {best!.Term}." : $"Group {client.Group.Id}: no leader.");
            Table table = new Table().Border(TableBorder.None).AddColumns("server", "at", "role", "term", "commit", "applied", "last", "snapshot", "log", "clock");
            foreach (ServerView v in views)
            {
                if (v.Status is not { } s) table.AddRow($"{v.Server}", $"{v.Host}:{v.Port}".EscapeMarkup(), "unreachable", "", "", "", "", "", "", "");
                else table.AddRow(Cells(v, s));
            }
            console.Write(table);
            foreach (ServerView v in views.Where(v => !v.Reachable)) Views.Line(console, $"  {v.Server}: {v.Why}");
            if (best is { } b) Views.Line(console, $"Ledger: {b.Counts.Effects:N0} effects, {b.Counts.Leases:N0} leases, {b.Counts.Members:N0} members, {b.Counts.Seen:N0} seen keys, {b.Counts.Values:N0} values; {b.LedgerBytes:N0} bytes.");
        });
        return leader > 0 ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private static string[] Cells(ServerView v, CoordinatorStatus s)
    {
        string role = s.Learners.Contains(s.Server) ? "learner" : s.Voters.Contains(s.Server) ? s.Role.ToString().ToLowerInvariant() : "no member";
        string clock = s.ClockAheadMs is { } ahead ? string.Create(CultureInfo.InvariantCulture, $"{ahead:+0;-0;0} ms") : "";
        FormattableString[] numbers = [$"{s.Term}", $"{s.Commit}", $"{s.Applied}", $"{s.Last}", $"{s.Snapshot}", $"{s.LogBytes:N0} B"];
        return [$"{v.Server}", $"{v.Host}:{v.Port}".EscapeMarkup(), role, .. numbers.Select(FormattableString.Invariant), clock];
    }
}

/// <summary>Hands the lead over.</summary>
internal sealed class LedgerTransferCommand : GroupVerb
{
    /// <summary>A leader gives a transfer up when the other one has not taken over within an election's time: where that stood still for a moment, another try takes it.</summary>
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(1);

    private static readonly Backoff Pauses = new(TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(500));

    private readonly Argument<int> _to = new("to") { Description = "The voter that is to lead" };

    public LedgerTransferCommand()
        : base("transfer", "Hand the lead to a server (exit code 1 when it does not lead in time)") => Add(_to);

    public override IReadOnlyList<string> Examples { get; } = ["mesh ledger transfer 2 --ledger group", "mesh ledger transfer 2 --ledger group --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, LedgerClient client, TimeSpan atMost)
    {
        int to = run.Parse.GetValue(_to);
        if (to < 1) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"a server's number is at least 1, was {to}"));
        long from = Stopwatch.GetTimestamp();
        string? why = null;
        long? askedAt = null;
        for (int failures = 0; atMost - Stopwatch.GetElapsedTime(from) is var left && left > TimeSpan.Zero; failures++)
        {
            if (BestOf(await AskAllAsync(client, TimeSpan.FromSeconds(1), run.Stop).ConfigureAwait(false)) is { Role: RaftRole.Leader } leader && leader.Server == to)
            {
                run.Output.Result(new { Leader = to, leader.Term }, console => Views.Line(console, $"Server {to} leads in term {leader.Term}."));
                return ExitCode.Ok;
            }
            if (why is not null) break; // refused, and not because it leads already
            if (askedAt is null || Stopwatch.GetElapsedTime(askedAt.Value) > AskAgainAfter)
            {
                why = await client.TransferAsync(to, left, run.Stop).ConfigureAwait(false);
                askedAt = Stopwatch.GetTimestamp();
            }
            await Task.Delay(Pauses.Pause(failures, Random.Shared), run.Stop).ConfigureAwait(false);
        }
        return run.Output.Fail(new CliError(ExitCode.NotAchieved, "not_transferred", $"server {to} does not lead: {why ?? "the leader tried, and nothing came of it"}", "Is it a voter, reachable, and caught up? `mesh ledger status` shows it."));
    }
}

/// <summary>Has servers make a snapshot.</summary>
internal sealed class LedgerSnapshotCommand : GroupVerb
{
    private readonly Option<int> _id = new("--id") { Description = "Only this server (0: each that is reachable)", HelpName = "number", DefaultValueFactory = _ => 0 };

    public LedgerSnapshotCommand()
        : base("snapshot", "Have servers make a snapshot now, so that their logs are short (exit code 1 when one did not)") => Add(_id);

    public override IReadOnlyList<string> Examples { get; } = ["mesh ledger snapshot --ledger group", "mesh ledger snapshot --id 2 --ledger group --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, LedgerClient client, TimeSpan atMost)
    {
        int id = run.Parse.GetValue(_id);
        IReadOnlyList<ServerView> views = await AskAllAsync(client, atMost, run.Stop).ConfigureAwait(false);
        int[] servers = id > 0 ? [id] : [.. views.Where(v => v.Reachable).Select(v => v.Server)];
        if (servers.Length == 0) throw Unreachable("no server of the group is reachable");
        List<SnapshotView> made = [];
        foreach (int server in servers)
        {
            string? why = await client.SnapshotAsync(server, atMost, run.Stop).ConfigureAwait(false);
            made.Add(new SnapshotView(server, why is null, why is null ? null : Plain.Line(why)));
        }
        run.Output.Result(new { Snapshots = made }, console =>
        {
            foreach (SnapshotView one in made) Views.Line(console, one.Made ? $"Server {one.Server} has made a snapshot." : $"Server {one.Server} has not: {one.Why}");
        });
        return made.All(m => m.Made) ? ExitCode.Ok : ExitCode.NotAchieved;
    }

    private sealed record SnapshotView(int Server, bool Made, string? Why);
}
