using System.CommandLine;
using Mesh30K.Cli.Client;
using Mesh30K.Node.Api.People;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Timing;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>What the mesh asks of people: shows it, and sub-verbs answer it or show one item whole.</summary>
public sealed class InboxCommand : NodeVerb
{
    /// <summary>Between two looks: about a second, and more the longer the node is silent.</summary>
    private static readonly Backoff Looks = new(TimeSpan.FromSeconds(1.2), TimeSpan.FromSeconds(30), steady: 2 / 3.0);

    private readonly Option<string?> _as = new("--as") { Description = "Only what is for this person", HelpName = "person" };
    private readonly Option<bool> _all = new("--all") { Description = "Also what is answered or over" };
    private readonly Option<bool> _watch = new("--watch") { Description = "Go on, and tell what comes, is due soon or ends; Ctrl-C ends it" };

    public InboxCommand()
        : base("inbox", "Show what the mesh asks of people, and answer it")
    {
        foreach (Option option in (Option[])[_as, _all, _watch]) Add(option);
        Add(new InboxAnswerCommand());
        Add(new InboxShowCommand());
    }

    public override bool RunsItself => true;

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh inbox --as ana", "mesh inbox --as ana --watch", "mesh inbox answer k7f3q --ready \"approved\"", "mesh inbox answer k7f3q --conflict \"the budget is spent\""];

    private protected override void CheckInput(VerbRun run)
    {
        if (run.Output.Json && run.Parse.GetValue(_watch))
            throw new CliException(new CliError(ExitCode.Usage, "usage", "--watch does not go with --json: a result is one object", "Programs follow /v1/events (docs/protocol/http-api.md), or ask again."));
    }

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        string path = Query.Of("/v1/inbox", ("person", run.Parse.GetValue(_as)), ("all", run.Parse.GetValue(_all) ? "true" : null));
        NodeAnswer<InboxView> inbox = await client.GetAsync(path, InboxViews.Default.InboxView, run.Stop).ConfigureAwait(false);
        run.Output.Result(inbox.Json, console =>
        {
            foreach (InboxItemView item in inbox.Value.Items) Show(console, item, inbox.Value.Now);
            Views.Line(console, inbox.Value.Total == 0 ? "Nothing waits." : $"{inbox.Value.Total:N0} {(inbox.Value.Total == 1 ? "item" : "items")}. Answer with: mesh inbox answer ID --ready [TEXT] | --conflict WHY");
        });
        return run.Parse.GetValue(_watch) ? await WatchAsync(run, client, inbox.Value).ConfigureAwait(false) : ExitCode.Ok;
    }

    /// <summary>Looks every second, and less often while the node cannot be reached.</summary>
    private async Task<ExitCode> WatchAsync(VerbRun run, NodeClient client, InboxView seen)
    {
        string path = Query.Of("/v1/inbox", ("person", run.Parse.GetValue(_as)), ("all", "true"));
        Dictionary<string, (string State, int Reminders)> known = seen.Items.ToDictionary(i => i.Id, i => (i.State, i.Reminders), StringComparer.Ordinal);
        bool isFirst = true;
        for (int silent = 0; !run.Stop.IsCancellationRequested;)
        {
            try
            {
                await Task.Delay(Looks.Pause(silent, Random.Shared), run.Stop).ConfigureAwait(false);
                InboxView now = (await client.GetAsync(path, InboxViews.Default.InboxView, run.Stop).ConfigureAwait(false)).Value;
                if (silent > 0) run.Output.Note("mesh: the node answers again");
                silent = 0;
                TellNews(run, now, known, isFirst);
                isFirst = false;
            }
            catch (OperationCanceledException) when (run.Stop.IsCancellationRequested)
            {
                return ExitCode.Ok;
            }
            catch (CliException unreached) when (unreached.Error.Exit == ExitCode.NodeUnreachable)
            {
                if (silent++ == 0) run.Output.Note($"mesh: {unreached.Error.Message}; looking again from time to time");
            }
        }
        return ExitCode.Ok;
    }

    /// <summary>What is new since the last look. Items that ended before the watch began are no news.</summary>
    private static void TellNews(VerbRun run, InboxView now, Dictionary<string, (string State, int Reminders)> known, bool isFirst)
    {
        foreach (InboxItemView item in now.Items.Reverse())
        {
            bool isKnown = known.TryGetValue(item.Id, out (string State, int Reminders) before);
            known[item.Id] = (item.State, item.Reminders);
            if (!isKnown && (item.State == "open" || !isFirst)) run.Output.Note($"new: {LineOf(item, now.Now)}");
            else if (isKnown && before.State != item.State) run.Output.Note($"{item.State}: {item.Id} of {item.Person}");
            else if (isKnown && before.Reminders != item.Reminders) run.Output.Note($"due soon: {LineOf(item, now.Now)}");
        }
        HashSet<string> listed = [.. now.Items.Select(i => i.Id)];
        foreach (string gone in known.Keys.Where(k => !listed.Contains(k)).ToArray()) known.Remove(gone);
    }

    internal static void Show(IAnsiConsole console, InboxItemView item, Instant now)
    {
        console.Write(new Text(LineOf(item, now) + "\n"));
        if (item.State == "open") return;
        string words = item.Text is { } text ? $": {Plain.Escaped(text, 500)}" : "";
        console.Write(new Text($"  {item.Answer ?? item.State}{words}\n"));
    }

    private static string LineOf(InboxItemView item, Instant now)
    {
        double leftMs = item.Deadline.MsSince(now);
        string until = item.State != "open" ? item.State : leftMs > 0 ? $"{Views.Ago(leftMs)} left" : "over";
        return $"{item.Id}  {item.Person}  {item.Verb}  {until}{(item.Reminders > 0 && item.State == "open" ? $", reminded {item.Reminders}×" : "")}  {Plain.Escaped(item.Payload, 500)}";
    }
}

/// <summary>Shows one item with its whole payload.</summary>
public sealed class InboxShowCommand : NodeVerb
{
    private readonly Argument<string> _id = new("id") { Description = "The item, such as k7f3q" };

    public InboxShowCommand()
        : base("show", "Show one item whole") => Add(_id);

    public override IReadOnlyList<string> Examples { get; } = ["mesh inbox show k7f3q", "mesh inbox show k7f3q --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        NodeAnswer<InboxItemView> item = await client.GetAsync($"/v1/inbox/{Uri.EscapeDataString(run.Parse.GetRequiredValue(_id))}", InboxViews.Default.InboxItemView, run.Stop).ConfigureAwait(false);
        InboxItemView i = item.Value;
        string words = i.Text is { } text ? $": {Plain.Escaped(text, int.MaxValue)}" : "";
        run.Output.ResultText(item.Json, $"{i.Id} for {i.Person}: {i.Verb}, {i.State}, asked {i.AskedAt}, deadline {i.Deadline}, operation {i.OperationId}\n{Plain.Escaped(i.Payload, int.MaxValue)}{(i.Answer is null ? "" : $"\n{i.Answer}{words}")}");
        return ExitCode.Ok;
    }
}

/// <summary>Answers one item.</summary>
public sealed class InboxAnswerCommand : NodeVerb
{
    private readonly Argument<string> _id = new("id") { Description = "The item, such as k7f3q" };
    private readonly Option<string?> _ready = new("--ready") { Description = "It is done; with words that go back as the result", HelpName = "text", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> _conflict = new("--conflict") { Description = "It cannot be done, and why", HelpName = "why" };

    public InboxAnswerCommand()
        : base("answer", "Answer an item: READY, or CONFLICT with the reason")
    {
        Add(_id);
        Add(_ready);
        Add(_conflict);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh inbox answer k7f3q --ready", "mesh inbox answer k7f3q --ready \"approved\"", "mesh inbox answer k7f3q --conflict \"the budget is spent\""];

    private protected override void CheckInput(VerbRun run)
    {
        if (IsReady(run) == (run.Parse.GetResult(_conflict) is not null))
            throw new CliException(new CliError(ExitCode.Usage, "usage", "say either --ready or --conflict", "Such as --ready, --ready \"approved\" or --conflict \"the budget is spent\"."));
    }

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        bool ready = IsReady(run);
        byte[] body = AgentCommand.Body(json =>
        {
            json.WriteString("state", ready ? "READY" : "CONFLICT");
            if (ready && run.Parse.GetValue(_ready) is { } text) json.WriteString("text", text);
            if (!ready) json.WriteString("why", run.Parse.GetValue(_conflict));
        });
        string path = $"/v1/inbox/{Uri.EscapeDataString(run.Parse.GetRequiredValue(_id))}/answer";
        NodeAnswer<InboxItemView> item = await client.PostAsync(path, body, InboxViews.Default.InboxItemView, NodeClient.ReadWithin, run.Stop).ConfigureAwait(false);
        run.Output.Result(item.Json, console => Views.Line(console, $"{item.Value.Id}: {item.Value.Answer} went to the mesh"));
        return ExitCode.Ok;
    }

    private bool IsReady(VerbRun run) => run.Parse.GetResult(_ready) is not null;
}
