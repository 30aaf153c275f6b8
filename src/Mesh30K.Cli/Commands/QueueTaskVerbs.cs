using System.CommandLine;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Queue;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Api.Channels;

namespace Mesh30K.Cli.Commands;

/// <summary>Adds tasks.</summary>
public sealed class QueuePushCommand : QueueVerb
{
    private readonly Argument<string[]> _texts = new("text") { Description = "What is to be done; several texts are several tasks", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string?> _after = new("--after") { Description = "What has to be done first: ids with commas", HelpName = "ids" };
    private readonly Option<bool> _chain = new("--chain") { Description = "Each of the texts waits for the one before" };
    private readonly Option<string?> _agent = new("--agent") { Description = "Who is to do it (default: anyone)", HelpName = "id" };
    private readonly Option<string?> _key = new("--key") { Description = "Your own key: a repeated push with it adds nothing; several texts get key-1, key-2, …", HelpName = "key" };
    private readonly Option<int> _attempts = new("--attempts") { Description = "How often it may be claimed before it has failed", HelpName = "count", DefaultValueFactory = _ => 3 };

    public QueuePushCommand()
        : base("push", "Add tasks", creates: true)
    {
        Add(_texts);
        foreach (Option option in (Option[])[_after, _chain, _agent, _key, _attempts]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh queue push \"build frontend\"", "mesh queue push --after 141,142 --agent code-intel \"deploy\"", "mesh queue push --chain build test deploy --key release-7",
    ];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        string[] texts = run.Parse.GetRequiredValue(_texts);
        Dot[] after = [.. (run.Parse.GetValue(_after) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(a => IdOf(_after.Name, a))];
        bool chain = run.Parse.GetValue(_chain);
        string? key = run.Parse.GetValue(_key);
        ChannelCommand.Push[] entries = new ChannelCommand.Push[texts.Length];
        for (int i = 0; i < texts.Length; i++)
        {
            Dot[] dependsOn = chain && i > 0 ? [ChannelCommand.PushAll.Entry(i - 1)] : after;
            string? own = key is null ? null : texts.Length == 1 ? key : FormattableString.Invariant($"{key}-{i + 1}");
            entries[i] = new ChannelCommand.Push(texts[i], dependsOn, run.Parse.GetValue(_agent), own, AttemptsMax: run.Parse.GetValue(_attempts));
        }
        ReplyView reply = await queue.StepAsync(new ChannelCommand.PushAll(entries), TimeSpan.Zero, run.Stop).ConfigureAwait(false);
        Give(run, reply, ChannelViews.Default.ReplyView, console =>
        {
            foreach (EntryView entry in reply.Entries) Views.Line(console, $"{entry.Id} [{entry.Status}] {entry.Text}");
        });
        return ExitCode.Ok;
    }
}

/// <summary>Claims the next ready task. Exit code 1 when nothing is ready.</summary>
public sealed class QueueNextCommand : QueueVerb
{
    private readonly QueueOptions _options;
    private readonly Option<string> _wait = new("--wait") { Description = "How long to wait until something is ready", HelpName = "time", DefaultValueFactory = _ => "0s" };

    public QueueNextCommand()
        : base("next", "Claim the next task that is ready (exit code 1 when none is)")
    {
        _options = new QueueOptions().WithAgent(this).WithLease(this);
        Add(_wait);
    }

    private protected override bool Claims => true;

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue next --agent ana", "mesh queue next --agent ana --lease 30m --wait 30s --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        TimeSpan wait = Duration.Of(_wait.Name, run.Parse.GetRequiredValue(_wait), TimeSpan.Zero);
        ReplyView reply = await queue.StepAsync(new ChannelCommand.Claim(_options.Agent(run), _options.Lease(run)), wait, run.Stop).ConfigureAwait(false);
        Give(run, reply, ChannelViews.Default.ReplyView, console =>
        {
            if (reply.Entries.Count == 0) Views.Line(console, "Nothing is ready.");
            foreach (EntryView entry in reply.Entries)
            {
                Views.Line(console, $"{entry.Id} {entry.Text}");
                Views.Line(console, $"  token {entry.Token}, attempt {entry.Attempts} of {entry.AttemptsMax}, yours until {entry.LeaseUntil}");
                if (entry.Checkpoint is { } checkpoint) Views.Line(console, $"  checkpoint: {checkpoint}");
                if (entry.Result is { } last) Views.Line(console, $"  last attempt: {last}");
                Views.Line(console, $"  then: mesh queue done {entry.Id} --token {entry.Token}");
            }
        });
        return reply.Entries.Count > 0 ? ExitCode.Ok : ExitCode.NotAchieved;
    }
}

/// <summary>Records how far a task is.</summary>
public sealed class QueueCheckpointCommand : QueueEntryVerb
{
    private readonly Argument<string> _data = new("data") { Description = "One line: whoever claims the task next gets it" };

    public QueueCheckpointCommand()
        : base("checkpoint", "Record how far a task is, and hold it for longer", "checkpoint of")
    {
        Of.WithToken(this).WithLease(this);
        Add(_data);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue checkpoint 142 --token 7 \"12 of 40 files\"", "MESH_TOKEN=7 mesh queue checkpoint 142 '{\"file\":12}'"];

    private protected override ChannelCommand Command(VerbRun run) => new ChannelCommand.Checkpoint(Of.Id(run), Of.Token(run), run.Parse.GetRequiredValue(_data), Of.Lease(run));
}

/// <summary>Completes a task.</summary>
public sealed class QueueDoneCommand : QueueEntryVerb
{
    private readonly Option<string?> _result = new("--result") { Description = "What came of it; one line", HelpName = "text" };

    public QueueDoneCommand()
        : base("done", "Complete a task (exit code 1 when it is not yours any more)", "done")
    {
        Of.WithToken(this);
        Add(_result);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue done 142 --token 7", "mesh queue done 142 --token 7 --result \"commit 1a2b3c\""];

    private protected override ChannelCommand Command(VerbRun run) => new ChannelCommand.Complete(Of.Id(run), Of.Token(run), run.Parse.GetValue(_result));
}

/// <summary>Says that an attempt failed.</summary>
public sealed class QueueFailCommand : QueueEntryVerb
{
    private readonly Option<string> _reason = new("--reason") { Description = "Why; one line", HelpName = "text", Required = true };
    private readonly Option<string?> _retry = new("--retry") { Description = "Try again after this time, as long as attempts are left (default: it has failed for good)", HelpName = "time" };

    public QueueFailCommand()
        : base("fail", "Say that an attempt failed", "failed")
    {
        Of.WithToken(this);
        Add(_reason);
        Add(_retry);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue fail 142 --token 7 --reason \"the build broke\"", "mesh queue fail 142 --token 7 --reason \"no network\" --retry 30s"];

    private protected override ChannelCommand Command(VerbRun run)
    {
        TimeSpan? retry = run.Parse.GetValue(_retry) is { } text ? Duration.Of(_retry.Name, text, TimeSpan.Zero) : null;
        return new ChannelCommand.Fail(Of.Id(run), Of.Token(run), run.Parse.GetRequiredValue(_reason), retry);
    }
}

/// <summary>Gives a task back.</summary>
public sealed class QueueReleaseCommand : QueueEntryVerb
{
    public QueueReleaseCommand()
        : base("release", "Give a task back unfinished; the attempt does not count", "released") => Of.WithToken(this);

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue release 142 --token 7"];

    private protected override ChannelCommand Command(VerbRun run) => new ChannelCommand.Release(Of.Id(run), Of.Token(run));
}

/// <summary>Holds a task for longer.</summary>
public sealed class QueueRenewCommand : QueueEntryVerb
{
    public QueueRenewCommand()
        : base("renew", "Hold a task for longer (exit code 1 when it is not yours any more)", "renewed") => Of.WithToken(this).WithLease(this);

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue renew 142 --token 7 --lease 10m"];

    private protected override ChannelCommand Command(VerbRun run) => new ChannelCommand.Renew(Of.Id(run), Of.Token(run), Of.Lease(run));
}

/// <summary>Lets a failed or cancelled task be claimed again.</summary>
public sealed class QueueReopenCommand : QueueEntryVerb
{
    public QueueReopenCommand()
        : base("reopen", "Let a failed or cancelled task be claimed again", "reopened")
    {
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue reopen 142"];

    private protected override ChannelCommand Command(VerbRun run) => new ChannelCommand.Reopen(Of.Id(run));
}

/// <summary>Ends tasks that are not done. Asks first.</summary>
public sealed class QueueCancelCommand : QueueVerb
{
    private readonly QueueOptions _options;
    private readonly Option<bool> _dependents = new("--dependents") { Description = "Also all that wait for it; else they stay blocked" };
    private readonly Option<string> _reason = new("--reason") { Description = "Why; one line", HelpName = "text", DefaultValueFactory = _ => "cancelled" };
    private readonly Option<bool> _yes = new("--yes") { Description = "Do not ask" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Show what would be cancelled, and change nothing" };

    public QueueCancelCommand()
        : base("cancel", "End a task that is not done, whoever holds it")
    {
        _options = new QueueOptions().WithId(this);
        foreach (Option option in (Option[])[_dependents, _reason, _yes, _dryRun]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh queue cancel 142 --dry-run --dependents", "mesh queue cancel 142 --dependents --yes"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        Dot id = _options.Id(run);
        bool dependents = run.Parse.GetValue(_dependents);
        bool dryRun = run.Parse.GetValue(_dryRun);
        if (dryRun || !run.Parse.GetValue(_yes))
        {
            IReadOnlyList<GraphNode> affected = Affected(await queue.GraphAsync(run.Stop).ConfigureAwait(false), id.ToString(), dependents);
            if (dryRun)
            {
                run.Output.Result(new { DryRun = true, WouldCancel = affected.Select(n => n.Id).ToArray() }, console =>
                {
                    foreach (GraphNode node in affected) Views.Line(console, $"would cancel {node.Id} [{node.Status}] {node.Text}");
                });
                return ExitCode.Ok;
            }
            if (!Confirm(run, affected)) return run.Output.Fail(new CliError(ExitCode.NotAchieved, "not_confirmed", "nothing was cancelled"));
        }
        ReplyView reply = await queue.StepAsync(new ChannelCommand.Cancel(id, run.Parse.GetRequiredValue(_reason), dependents), TimeSpan.Zero, run.Stop).ConfigureAwait(false);
        GiveReply(run, reply, "cancelled");
        return ExitCode.Ok;
    }

    private static bool Confirm(VerbRun run, IReadOnlyList<GraphNode> affected)
    {
        if (!run.Context.InIsTerminal || run.Output.Json)
            throw new CliException(new CliError(ExitCode.Usage, "confirmation_needed", $"this ends {affected.Count} tasks, and there is nobody to ask", "Look with --dry-run, then give --yes."));
        foreach (GraphNode node in affected.Take(20)) run.Output.Note($"  {node.Id} [{node.Status}] {Plain.Line(node.Text, 100)}");
        run.Output.Note($"Cancel {affected.Count} {(affected.Count == 1 ? "task" : "tasks")}? Type yes:");
        using StreamReader answer = new(run.Context.OpenIn());
        return string.Equals(answer.ReadLine()?.Trim(), "yes", StringComparison.OrdinalIgnoreCase);
    }

    private static List<GraphNode> Affected(GraphView graph, string id, bool dependents)
    {
        List<GraphNode> affected = [.. graph.Nodes.Where(n => n.Id == id && n.Status != "done")];
        if (affected.Count == 0)
            throw new CliException(new CliError(ExitCode.Usage, "not_found", $"there is no open entry {id}", "`mesh queue list` shows the entries."));
        if (!dependents) return affected;
        ILookup<string, GraphNode> below = graph.Nodes.SelectMany(n => n.DependsOn.Select(on => (on, n))).ToLookup(e => e.on, e => e.n, StringComparer.Ordinal);
        HashSet<string> seen = [id];
        for (int i = 0; i < affected.Count; i++)
        {
            foreach (GraphNode node in below[affected[i].Id])
                if (node.Status == "waiting" && seen.Add(node.Id)) affected.Add(node);
        }
        return affected;
    }
}
