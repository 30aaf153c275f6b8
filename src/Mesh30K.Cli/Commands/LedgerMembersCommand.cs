using System.CommandLine;
using Mesh30K.Cli.Client;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;

namespace Mesh30K.Cli.Commands;

/// <summary>Who belongs to a group: shows it, or changes it one server at a time.</summary>
internal sealed class LedgerMembersCommand : GroupVerb
{
    public LedgerMembersCommand()
        : base("members", "Show who votes and who only receives; its sub-verbs add, promote and remove a server")
    {
        Add(new MemberStepCommand("add-learner", "Add a server that receives the log and has no vote yet", MemberStep.AddLearner));
        Add(new MemberStepCommand("promote", "Give a learner that has caught up a vote", MemberStep.Promote));
        Add(new MemberStepCommand("remove", "Take a server out of the group for good", MemberStep.Remove));
    }

    public override bool RunsItself => true;

    public override IReadOnlyList<string> Examples { get; } = ["mesh ledger members --ledger group", "mesh ledger members add-learner 4 10.0.0.4:7411 --ledger group"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, LedgerClient client, TimeSpan atMost)
    {
        if (BestOf(await AskAllAsync(client, atMost, run.Stop).ConfigureAwait(false)) is not { } best) throw Unreachable("no server of the group is reachable");
        var result = new { best.Leader, best.Term, best.Voters, best.Learners, best.Added };
        run.Output.Result(result, console =>
        {
            Views.Line(console, $"Voters: {string.Join(", ", best.Voters)}" + (best.Learners.Count > 0 ? $"; learners: {string.Join(", ", best.Learners)}" : "") + $" (as server {best.Server} knows them)");
            foreach (GroupServer server in best.Added) Views.Line(console, Plain.Line($"  server {server.Number} was added at {server.Host}:{server.Port}"));
        });
        return ExitCode.Ok;
    }
}

/// <summary>One step of the membership. Asks first.</summary>
internal sealed class MemberStepCommand : GroupVerb
{
    private readonly MemberStep _step;
    private readonly Argument<int> _server = new("server") { Description = "Its number" };
    private readonly Argument<string> _place = new("place") { Description = "Where it listens: HOST:PORT" };
    private readonly Option<bool> _yes = new("--yes") { Description = "Do not ask" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Show what the members would be, and change nothing" };

    public MemberStepCommand(string name, string summary, MemberStep step)
        : base(name, summary)
    {
        _step = step;
        Add(_server);
        if (step == MemberStep.AddLearner) Add(_place);
        Add(_yes);
        Add(_dryRun);
    }

    public override IReadOnlyList<string> Examples => _step switch
    {
        MemberStep.AddLearner => ["mesh ledger members add-learner 4 10.0.0.4:7411 --ledger group --dry-run", "mesh ledger members add-learner 4 10.0.0.4:7411 --ledger group --yes"],
        MemberStep.Promote => ["mesh ledger members promote 4 --ledger group --dry-run", "mesh ledger members promote 4 --ledger group --yes"],
        _ => ["mesh ledger members remove 2 --ledger group --dry-run", "mesh ledger members remove 2 --ledger group --yes"],
    };

    private protected override async Task<ExitCode> RunAsync(VerbRun run, LedgerClient client, TimeSpan atMost)
    {
        int number = run.Parse.GetValue(_server);
        if (number < 1) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"a server's number is at least 1, was {number}"));
        GroupServer? place = _step == MemberStep.AddLearner ? CoordinatorCommand.PlaceOf("<place>", run.Parse.GetRequiredValue(_place), number) : null;
        IReadOnlyList<ServerView> views = await AskAllAsync(client, atMost, run.Stop).ConfigureAwait(false);
        if (BestOf(views) is not { } now) throw Unreachable("no server of the group is reachable");
        (int[] voters, int[] learners) = After(now, number, views);
        string change = $"voters {string.Join(", ", now.Voters)}{Learners(now.Learners)} → voters {string.Join(", ", voters)}{Learners(learners)}";
        if (run.Parse.GetValue(_dryRun))
        {
            run.Output.Result(new { DryRun = true, Before = new { now.Voters, now.Learners }, After = new { Voters = voters, Learners = learners } }, console => Views.Line(console, $"would change: {change}"));
            return ExitCode.Ok;
        }
        if (!run.Parse.GetValue(_yes) && !Confirm(run, change)) return run.Output.Fail(new CliError(ExitCode.NotAchieved, "not_confirmed", "nothing was changed"));
        if (await client.ChangeAsync(_step, number, place, atMost, run.Stop).ConfigureAwait(false) is { } why)
            return run.Output.Fail(new CliError(ExitCode.NotAchieved, "not_changed", $"the members were not changed, or it is not known: {why}", "Look with `mesh ledger members`, then try again."));
        run.Output.Result(new { Voters = voters, Learners = learners }, console => Views.Line(console, $"Changed: {change}"));
        return ExitCode.Ok;
    }

    private static string Learners(IReadOnlyList<int> learners) => learners.Count > 0 ? $" and learners {string.Join(", ", learners)}" : "";

    /// <summary>What the members would be. Throws a <see cref="CliException"/> when the step does not fit.</summary>
    private (int[] Voters, int[] Learners) After(CoordinatorStatus now, int number, IReadOnlyList<ServerView> views)
    {
        bool isVoter = now.Voters.Contains(number), isLearner = now.Learners.Contains(number);
        string? wrong = _step switch
        {
            MemberStep.AddLearner when isVoter || isLearner => $"server {number} is a member already",
            MemberStep.AddLearner when views.Any(v => v.Server == number) => $"the number {number} was used before, and a number is never given to another server: take a higher one",
            MemberStep.Promote when isVoter => $"server {number} has a vote already",
            MemberStep.Promote when !isLearner => $"server {number} is no learner: add it first",
            MemberStep.Remove when !isVoter && !isLearner => $"server {number} is no member",
            MemberStep.Remove when isVoter && now.Voters.Count == 1 => "the last voter cannot leave",
            _ => null,
        };
        if (wrong is not null) throw new CliException(new CliError(ExitCode.Usage, "bad_step", wrong, "`mesh ledger members` shows who belongs to the group."));
        int[] voters = _step == MemberStep.Promote ? [.. now.Voters.Append(number).Order()] : [.. now.Voters.Where(v => v != number)];
        int[] learners = _step == MemberStep.AddLearner ? [.. now.Learners.Append(number).Order()] : [.. now.Learners.Where(l => l != number)];
        return (voters, learners);
    }

    private static bool Confirm(VerbRun run, string change)
    {
        if (!run.Context.InIsTerminal || run.Output.Json)
            throw new CliException(new CliError(ExitCode.Usage, "confirmation_needed", $"this changes the group ({change}), and there is nobody to ask", "Look with --dry-run, then give --yes."));
        run.Output.Note($"Change the group: {change}? Type yes:");
        using StreamReader answer = new(run.Context.OpenIn());
        return string.Equals(answer.ReadLine()?.Trim(), "yes", StringComparison.OrdinalIgnoreCase);
    }
}
