using System.CommandLine;
using Mesh30K.Cli.Queue;
using Mesh30K.Consistency.Causal;
using Mesh30K.Node.Api.Channels;

namespace Mesh30K.Cli.Commands;

/// <summary>A worker: claims tasks and does each with a command, until it is stopped.</summary>
public sealed class QueueWorkCommand : QueueVerb
{
    private readonly QueueOptions _options;
    private readonly Option<bool> _once = new("--once") { Description = "Do one task and end; exit code 1 when none is ready, or it failed" };
    private readonly Option<bool> _untilEmpty = new("--until-empty") { Description = "End when nothing is ready" };
    private readonly Option<string> _retry = new("--retry") { Description = "Try a failed task again after this time, doubled with each attempt, at most 10m", HelpName = "time", DefaultValueFactory = _ => "5s" };
    private readonly Argument<string[]> _command = new("command") { Description = "What does a task, after --; it gets the task as JSON on stdin and in MESH_ID, MESH_TEXT, MESH_CHECKPOINT, …", Arity = ArgumentArity.OneOrMore };

    public QueueWorkCommand()
        : base("work", "Claim tasks and do each with a command")
    {
        _options = new QueueOptions().WithAgent(this).WithLease(this);
        foreach (Option option in (Option[])[_once, _untilEmpty, _retry]) Add(option);
        Add(_command);
    }

    /// <inheritdoc/>
    public override TimeSpan? StopGrace => TimeSpan.FromSeconds(15);

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh queue work --agent ana -- ./do-task.sh", "mesh queue work --agent ana --until-empty --lease 2m -- sh -c 'echo done: $MESH_TEXT'", "mesh queue work --once --json -- python3 task.py",
    ];

    private protected override bool Claims => true;

    private protected override bool WaitsForChannel(VerbRun run) => !run.Parse.GetValue(_once) && !run.Parse.GetValue(_untilEmpty);

    private protected override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        bool once = run.Parse.GetValue(_once);
        bool untilEmpty = run.Parse.GetValue(_untilEmpty);
        if (once && untilEmpty) throw new CliException(new CliError(ExitCode.Usage, "usage", "--once and --until-empty do not go together"));
        TaskWorkerOptions options = new(
            _options.Agent(run), _options.Lease(run), Duration.Of(_retry.Name, run.Parse.GetRequiredValue(_retry), TimeSpan.Zero), run.Parse.GetRequiredValue(_command),
            run.Context.WorkingDirectory, run.Output.Note);
        TaskWorker worker = new(queue, options);
        int[] ends = new int[Enum.GetValues<TaskEnd>().Length];
        TimeSpan wait = once || untilEmpty ? TimeSpan.Zero : TimeSpan.FromSeconds(30);
        try
        {
            do
            {
                ReplyView reply = await queue.StepAsync(new ChannelCommand.Claim(options.Agent, options.Lease), wait, run.Stop).ConfigureAwait(false);
                if (reply.Entries is not [var entry])
                {
                    if (once || untilEmpty) break;
                    continue;
                }
                run.Output.Detail($"{entry.Id} {entry.Text}");
                ends[(int)await worker.DoAsync(entry, run.Stop).ConfigureAwait(false)]++;
            }
            while (!once);
        }
        catch (OperationCanceledException) when (run.Stop.IsCancellationRequested && !once)
        {
            // The way to end a worker: what it held was given back.
        }
        (int done, int failed, int lost) = (ends[(int)TaskEnd.Done], ends[(int)TaskEnd.Failed], ends[(int)TaskEnd.Lost]);
        run.Output.Result(new { Done = done, Failed = failed, Lost = lost }, console => Views.Line(console, $"{done} done, {failed} failed, {lost} lost"));
        return once && done == 0 ? ExitCode.NotAchieved : ExitCode.Ok;
    }
}
