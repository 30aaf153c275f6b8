using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Queue;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Api.Channels;
using Mesh30K.Node.Channels;
using Mesh30K.Node.Storage;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Tasks with dependencies for several agents, on a data folder or on a node. Each thing that can be done is a sub-verb.</summary>
public sealed class QueueCommand : VerbCommand
{
    public QueueCommand()
        : base("queue", "Hand tasks to agents in the order of their dependencies, surviving their death")
    {
        foreach (QueueVerb verb in (QueueVerb[])
        [
            new QueuePushCommand(), new QueueNextCommand(), new QueueCheckpointCommand(), new QueueDoneCommand(), new QueueFailCommand(), new QueueReleaseCommand(),
            new QueueRenewCommand(), new QueueWorkCommand(), new QueueListCommand(), new QueueGraphCommand(), new QueueCancelCommand(), new QueueReopenCommand(),
            new QueueExportCommand(), new QueueImportCommand(),
        ])
        {
            Add(verb);
        }
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh queue push --chain \"build\" \"test\" \"deploy\"", "mesh queue next --agent ana", "mesh queue done 1 --token 1", "mesh queue graph"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("queue has sub-verbs only");
}

/// <summary>A verb on one task channel, and the options that say which.</summary>
public abstract class QueueVerb : VerbCommand
{
    private readonly Option<string> _channel = new("--channel") { Description = "Which channel", HelpName = "name", DefaultValueFactory = _ => "tasks" };
    private readonly Option<string?> _dataDir = new("--data-dir") { Description = "Where the channels are (default: mesh in git's common directory, so that all worktrees share it; else .mesh)", HelpName = "dir" };
    private readonly Option<string?> _writer = new("--writer") { Description = "The name in the channel's numbers (142@ana), where several machines exchange tasks; fixed when the channel is made", HelpName = "name" };
    private readonly NodeArguments _node;
    private readonly bool _creates;
    private static readonly TimeSpan LookForChannelEvery = TimeSpan.FromSeconds(1);

    private protected QueueVerb(string name, string summary, bool creates = false)
        : base(name, summary)
    {
        _creates = creates;
        _node = new NodeArguments(this, "Talk to this node instead of a data directory");
        Add(_channel);
        Add(_dataDir);
        if (creates) Add(_writer);
    }

    public sealed override async Task<ExitCode> RunAsync(VerbRun run)
    {
        for (bool isFirst = true; ; isFirst = false)
        {
            try
            {
                return await RunOnceAsync(run).ConfigureAwait(false);
            }
            catch (CliException missing) when (missing.Error.Code == "no_channel" && Claims)
            {
                if (!WaitsForChannel(run)) throw new CliException(missing.Error with { Exit = ExitCode.NotAchieved });
                if (isFirst) run.Output.Note($"{missing.Error.Message}; waiting for the first push");
            }
            await Task.Delay(LookForChannelEvery, run.Stop).ConfigureAwait(false);
        }
    }

    /// <summary>Whether the verb only takes what is ready: where there is no channel, nothing is, which is no wrong usage.</summary>
    private protected virtual bool Claims => false;

    /// <summary>Whether a verb that claims waits for a channel that does not exist yet.</summary>
    private protected virtual bool WaitsForChannel(VerbRun run) => false;

    private async Task<ExitCode> RunOnceAsync(VerbRun run)
    {
        try
        {
            using IQueue queue = await OpenAsync(run).ConfigureAwait(false);
            return await RunAsync(run, queue).ConfigureAwait(false);
        }
        catch (ChannelAccessException wrong)
        {
            ExitCode exit = wrong.Code is "channel_owned" or "channel_busy" ? ExitCode.NodeUnreachable : ExitCode.Usage;
            throw new CliException(new CliError(exit, wrong.Code, wrong.Message, wrong.Hint));
        }
        catch (JournalException wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "journal_" + wrong.Code, wrong.Message, "Nothing more was acknowledged. See to the disk or the file, then try again."));
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "data_dir", $"cannot use the channel: {wrong.Message}", "Choose another data directory with --data-dir DIR."));
        }
    }

    private protected abstract Task<ExitCode> RunAsync(VerbRun run, IQueue queue);

    /// <summary>Reads an id. Throws a <see cref="CliException"/>.</summary>
    internal static Dot IdOf(string what, string text) => Dot.TryParse(text, out Dot id)
        ? id
        : throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"{what} must be an id such as 142 or 142@ana, was {text}"));

    /// <summary>Gives a view as the result.</summary>
    private protected static void Give<T>(VerbRun run, T view, JsonTypeInfo<T> type, Action<IAnsiConsole> render) =>
        run.Output.Result(JsonSerializer.SerializeToElement(view, type), render);

    private protected static void GiveReply(VerbRun run, ReplyView reply, string word) => Give(run, reply, ChannelViews.Default.ReplyView, console =>
    {
        foreach (EntryView entry in reply.Entries) Views.Line(console, $"{word} {entry.Id} {entry.Text}");
    });

    private async Task<IQueue> OpenAsync(VerbRun run)
    {
        string name = run.Parse.GetRequiredValue(_channel);
        ReplicaId? writer = null;
        if (_creates && run.Parse.GetValue(_writer) is { } given)
        {
            if (!ReplicaId.TryParse(given, out ReplicaId named))
                throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--writer must be 1 to {ReplicaId.CharsMax} characters of A-Z a-z 0-9 . _ -, was {given}"));
            writer = named;
        }
        if (_node.IsGiven(run))
        {
            if (run.Parse.GetValue(_dataDir) is not null) throw new CliException(new CliError(ExitCode.Usage, "usage", "--data-dir and --node do not go together", "A node has its own data directory."));
            return new NodeQueue(name, writer, _node.Connect(run));
        }
        string data = run.Parse.GetValue(_dataDir) is { } dir
            ? run.PathOf(dir)
            : await SharedDirectory.FindAsync(run.Context.WorkingDirectory, run.Stop).ConfigureAwait(false);
        ChannelFolder folder = (_creates ? ChannelFolder.FindOrCreate(data, name, writer) : ChannelFolder.Find(data, name))
            ?? throw new CliException(new CliError(ExitCode.Usage, "no_channel", $"there is no channel {name} in {data}", "The first `mesh queue push` makes it. Another place: --data-dir DIR, --channel NAME."));
        run.Output.Detail($"channel {folder.Location}");
        return new FolderQueue(folder, FolderChannel.Open(folder));
    }
}

/// <summary>The options that many of the verbs share.</summary>
internal sealed class QueueOptions
{
    public const string AgentVariable = "MESH_AGENT";
    public const string TokenVariable = "MESH_TOKEN";

    private readonly Argument<string> _id = new("id") { Description = "The entry, such as 142" };
    private readonly Option<long?> _token = new("--token") { Description = $"The token of the claim (default: {TokenVariable})", HelpName = "number" };
    private readonly Option<string?> _agent = new("--agent") { Description = $"Who claims (default: {AgentVariable})", HelpName = "id" };
    private readonly Option<string> _lease = new("--lease") { Description = "How long the entry is held; renew it before", HelpName = "time", DefaultValueFactory = _ => "5m" };

    public QueueOptions WithId(Command verb)
    {
        verb.Add(_id);
        return this;
    }

    public QueueOptions WithToken(Command verb)
    {
        verb.Add(_token);
        return this;
    }

    public QueueOptions WithAgent(Command verb)
    {
        verb.Add(_agent);
        return this;
    }

    public QueueOptions WithLease(Command verb)
    {
        verb.Add(_lease);
        return this;
    }

    public Dot Id(VerbRun run) => QueueVerb.IdOf("<id>", run.Parse.GetRequiredValue(_id));

    public long Token(VerbRun run)
    {
        if (run.Parse.GetValue(_token) is { } given) return given;
        string? variable = run.Context.Environment(TokenVariable);
        return long.TryParse(variable, out long token)
            ? token
            : throw new CliException(new CliError(ExitCode.Usage, "token_missing", $"no token: neither --token nor a number in {TokenVariable}", "`mesh queue next` gives the token with the entry."));
    }

    public string Agent(VerbRun run)
    {
        string? agent = run.Parse.GetValue(_agent) ?? run.Context.Environment(AgentVariable);
        return string.IsNullOrWhiteSpace(agent)
            ? throw new CliException(new CliError(ExitCode.Usage, "agent_missing", $"no agent: neither --agent nor {AgentVariable}", "For example: --agent ana"))
            : agent;
    }

    public TimeSpan Lease(VerbRun run) => Duration.Of("--lease", run.Parse.GetRequiredValue(_lease), TimeSpan.FromMilliseconds(1));
}

/// <summary>A verb that does one command on one entry.</summary>
public abstract class QueueEntryVerb : QueueVerb
{
    private readonly string _word;

    private protected QueueEntryVerb(string name, string summary, string word)
        : base(name, summary)
    {
        _word = word;
        Of = new QueueOptions().WithId(this);
    }

    private protected QueueOptions Of { get; }

    private protected abstract ChannelCommand Command(VerbRun run);

    private protected sealed override async Task<ExitCode> RunAsync(VerbRun run, IQueue queue)
    {
        GiveReply(run, await queue.StepAsync(Command(run), TimeSpan.Zero, run.Stop).ConfigureAwait(false), _word);
        return ExitCode.Ok;
    }
}
