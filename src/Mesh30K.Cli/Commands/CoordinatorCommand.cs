using System.CommandLine;
using System.Globalization;
using Mesh30K.Cli.Client;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Consistency.Strong.Raft;
using Mesh30K.Node.Api;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Group;
using Mesh30K.Node.Ledger.Links;
using Mesh30K.Node.Storage;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>A group of coordinators, which keeps a ledger: makes it, runs its servers.</summary>
public sealed class CoordinatorCommand : VerbCommand
{
    public CoordinatorCommand()
        : base("coordinator", "Make a group of coordinators that keeps a ledger, and run its servers")
    {
        Add(new CoordinatorInitCommand());
        Add(new CoordinatorAddCommand());
        Add(new CoordinatorRunCommand());
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh coordinator init group --nodes 3", "mesh coordinator run --group group --id 1 --data data-1"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("coordinator has sub-verbs only");

    /// <summary>A host and a port. Throws a <see cref="CliException"/>.</summary>
    internal static GroupServer PlaceOf(string option, string text, int number)
    {
        int colon = text.LastIndexOf(':');
        bool isPort = int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port is >= 1 and <= 65_535;
        return colon > 0 && isPort && Uri.CheckHostName(text[..colon]) != UriHostNameType.Unknown
            ? new GroupServer(number, text[..colon], port)
            : throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"{option} must be a host and a port such as 10.0.0.4:7411, was {text}"));
    }

    internal static CliException Of(GroupFolderException wrong) =>
        new(new CliError(ExitCode.Usage, "group_folder", wrong.Message, "The guide is docs/guide/coordinators.md."));
}

/// <summary>Makes a group's folder.</summary>
internal sealed class CoordinatorInitCommand : VerbCommand
{
    private const int PortDefault = 7411;

    private readonly Argument<string> _folder = new("folder") { Description = "The group's folder; it must not exist, or be empty" };
    private readonly Option<int> _nodes = new("--nodes") { Description = "How many servers: 1, 3 or 5", HelpName = "count", DefaultValueFactory = _ => 3 };
    private readonly Option<string> _host = new("--host") { Description = "Where the servers are: one name or address for all, or one for each with commas", HelpName = "host", DefaultValueFactory = _ => "127.0.0.1" };
    private readonly Option<int> _port = new("--port") { Description = "The port of the first; servers on one host take the next ones", HelpName = "port", DefaultValueFactory = _ => PortDefault };

    public CoordinatorInitCommand()
        : base("init", "Make the folder of a new group: who its servers are, and their certificates")
    {
        Add(_folder);
        foreach (Option option in (Option[])[_nodes, _host, _port]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh coordinator init group --nodes 3", "mesh coordinator init group --nodes 3 --host 10.0.0.1,10.0.0.2,10.0.0.3 --port 7411 --json"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        int nodes = run.Parse.GetValue(_nodes), port = run.Parse.GetValue(_port);
        string[] hosts = run.Parse.GetRequiredValue(_host).Split(',', StringSplitOptions.TrimEntries);
        if (nodes is not (1 or 3 or 5)) throw Bad(_nodes, nodes.ToString(CultureInfo.InvariantCulture), "1, 3 or 5: an even number survives no more failures than one less");
        if (hosts.Length != 1 && hosts.Length != nodes) throw Bad(_host, $"{hosts.Length} hosts", $"one host, or one for each of the {nodes} servers");
        if (hosts.FirstOrDefault(h => Uri.CheckHostName(h) == UriHostNameType.Unknown) is { } wrong) throw Bad(_host, wrong, "a name or an address");
        if (port is < 1 || port > 65_536 - nodes) throw Bad(_port, port.ToString(CultureInfo.InvariantCulture), $"1 to {65_536 - nodes}");
        GroupServer[] servers = [.. Enumerable.Range(1, nodes).Select(n => hosts.Length == 1 ? new GroupServer(n, hosts[0], port + n - 1) : new GroupServer(n, hosts[n - 1], port))];
        string folder = run.Parse.GetRequiredValue(_folder);
        try
        {
            GroupFile group = GroupFolder.Create(run.PathOf(folder), servers);
            run.Output.Result(new InitResult(folder, group.Id, group.Servers), console =>
            {
                Views.Line(console, $"Made the group {group.Id} of {nodes} in {folder}. On each server's machine, with the folder there:");
                foreach (GroupServer server in servers)
                    Views.Line(console, Plain.Line($"  mesh coordinator run --group {folder} --id {server.Number} --data data-{server.Number}      # listens on {server.Host}:{server.Port}"));
                Views.Line(console, Plain.Line($"Then: mesh ledger status --ledger {folder}"));
                Views.Line(console, "Keep ca.key where the group was made; servers need group.json, ca.pem and their own pair, clients client.pem and client.key.");
            });
            return Task.FromResult(ExitCode.Ok);
        }
        catch (GroupFolderException refused)
        {
            throw CoordinatorCommand.Of(refused);
        }
    }

    private static CliException Bad(Option option, string was, string right) => new(new CliError(ExitCode.Usage, "bad_value", $"{option.Name} must be {right}, was {was}"));

    private sealed record InitResult(string Folder, string Group, IReadOnlyList<GroupServer> Servers);
}

/// <summary>Makes the pair of a server that is to be added.</summary>
internal sealed class CoordinatorAddCommand : VerbCommand
{
    private readonly Argument<string> _folder = new("folder") { Description = "The group's folder, with ca.key" };
    private readonly Option<int> _id = new("--id") { Description = "The new server's number: a higher one than any before", HelpName = "number", Required = true };

    public CoordinatorAddCommand()
        : base("add", "Make the certificate of a server that is to be added to a group")
    {
        Add(_folder);
        Add(_id);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh coordinator add group --id 4", "mesh coordinator add group --id 4 --json"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        int id = run.Parse.GetValue(_id);
        string folder = run.Parse.GetRequiredValue(_folder);
        if (id < 1) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--id must be at least 1, was {id}"));
        try
        {
            GroupFolder.AddServer(run.PathOf(folder), id);
        }
        catch (GroupFolderException refused)
        {
            throw CoordinatorCommand.Of(refused);
        }
        run.Output.Result(new AddResult(folder, id), console =>
        {
            Views.Line(console, Plain.Line($"Made server-{id}.pem and server-{id}.key in {folder}. On the new machine, with the folder there, say where it listens:"));
            Views.Line(console, Plain.Line($"  mesh coordinator run --group {folder} --id {id} --listen HOST:PORT --data data-{id}"));
            Views.Line(console, Plain.Line($"Then: mesh ledger members add-learner {id} HOST:PORT --ledger {folder}, and when it has caught up: mesh ledger members promote {id} --ledger {folder}"));
        });
        return Task.FromResult(ExitCode.Ok);
    }

    private sealed record AddResult(string Folder, int Id);
}

/// <summary>Runs one server until Ctrl-C or a request to terminate: then it hands the lead over, and ends with exit code 0.</summary>
internal sealed class CoordinatorRunCommand : VerbCommand
{
    private static readonly TimeSpan HandOverWithin = TimeSpan.FromSeconds(2);

    private readonly Option<string> _group = new("--group") { Description = "The group's folder", HelpName = "folder", Required = true };
    private readonly Option<int> _id = new("--id") { Description = "Which server this is", HelpName = "number", Required = true };
    private readonly Option<string> _data = new("--data") { Description = "The folder of its log; made when missing, and never given to another server", HelpName = "dir", Required = true };
    private readonly Option<string?> _listen = new("--listen") { Description = "Where it listens (default: what the group's file says); needed for a server that was added", HelpName = "host:port" };
    private readonly Option<int> _electionMs = new("--election-ms")
    {
        Description = "How long it does without a leader before it stands for election, up to twice as much; all servers of a group the same",
        HelpName = "ms",
        DefaultValueFactory = _ => 500,
    };

    private readonly Option<int> _preferred = new("--preferred") { Description = "Which server should lead when it is well (0: whichever was elected)", HelpName = "number", DefaultValueFactory = _ => 0 };

    public CoordinatorRunCommand()
        : base("run", "Run one server of a group until Ctrl-C")
    {
        foreach (Option option in (Option[])[_group, _id, _data, _listen, _electionMs, _preferred]) Add(option);
    }

    public override TimeSpan? StopGrace => HandOverWithin + TimeSpan.FromSeconds(35);

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh coordinator run --group group --id 1 --data data-1", "mesh coordinator run --group group --id 2 --data data-2 --election-ms 1000 --preferred 1 --json",
        "mesh coordinator run --group group --id 4 --listen 10.0.0.4:7411 --data data-4",
    ];

    public override async Task<ExitCode> RunAsync(VerbRun run)
    {
        int id = run.Parse.GetValue(_id), electionMs = run.Parse.GetValue(_electionMs), preferred = run.Parse.GetValue(_preferred);
        if (id < 1) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--id must be at least 1, was {id}"));
        if (electionMs is < 20 or > 60_000) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--election-ms must be 20 to 60000, was {electionMs}"));
        if (preferred < 0) throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--preferred must be at least 0, was {preferred}"));
        // .NET's switch, read when the first socket is used: what comes is handled on the thread that polls the sockets. A coordinator does little with a message, and a hop to the pool takes longer.
        Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        TimeSpan election = TimeSpan.FromMilliseconds(electionMs);
        RaftOptions raft = new() { ElectionMin = election, ElectionSpread = election, Heartbeat = election / 10, Preferred = new ServerId(preferred) };
        CoordinatorOptions options = new()
        {
            GroupDirectory = run.PathOf(run.Parse.GetRequiredValue(_group)),
            DataDirectory = run.PathOf(run.Parse.GetRequiredValue(_data)),
            Listen = run.Parse.GetValue(_listen) is { } place ? CoordinatorCommand.PlaceOf(_listen.Name, place, id) : null,
            Host = new RaftHostOptions { Raft = raft },
            Note = line => run.Output.Note("mesh: " + Plain.Line(line)),
        };
        CoordinatorServer server = await StartAsync(id, options, run.Stop).ConfigureAwait(false);
        await using (server.ConfigureAwait(false))
        {
            RunResult result = new(id, server.Listen.Host, server.Listen.Port, Environment.ProcessId);
            run.Output.Result(result, console => Views.Line(console, Plain.Line($"Server {id} listens on {result.Host}:{result.Port} (process {result.Pid}). Ctrl-C stops it.")));
            TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
            using (run.Stop.Register(asked.SetResult)) await Task.WhenAny(asked.Task, server.Stopped).ConfigureAwait(false);
            if (server.Stopped.IsCompleted && await server.Stopped.ConfigureAwait(false) is { } why)
            {
                bool known = why is JournalException or LedgerFormatException or RaftRecordException;
                if (!known) run.Output.Detail(why.ToString());
                return run.Output.Fail(new CliError(known ? ExitCode.NotAchieved : ExitCode.InternalBug, "stopped", $"server {id} has stopped for good: {why.Message}", "See to the disk, then run it again: it goes on from what the disk holds."));
            }
            run.Output.Note("mesh: handing over and stopping");
            if (!await server.HandOverAsync(HandOverWithin).ConfigureAwait(false)) run.Output.Note("mesh: nobody took the lead in time");
        }
        return ExitCode.Ok;
    }

    private static async Task<CoordinatorServer> StartAsync(int id, CoordinatorOptions options, CancellationToken stop)
    {
        try
        {
            return await CoordinatorServer.StartAsync(id, options, stop).ConfigureAwait(false);
        }
        catch (GroupFolderException wrong)
        {
            throw CoordinatorCommand.Of(wrong);
        }
        catch (ListenFailed wrong)
        {
            throw new CliException(new CliError(ExitCode.Usage, "cannot_listen", wrong.Message, wrong.Hint));
        }
        catch (JournalException wrong)
        {
            string hint = wrong.Code is "damaged" or "forgotten"
                ? $"The guide says how: docs/guide/coordinators.md, \"Replace a dead one\". In short: mesh ledger members remove {id}, then add a server under a new number."
                : "See to the disk or the folder, then try again.";
            throw new CliException(new CliError(ExitCode.Usage, "journal_" + wrong.Code, wrong.Message, hint));
        }
        catch (Exception newer) when (newer is RaftRecordException or LedgerFormatException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "journal_unreadable", newer.Message, "Run the version of mesh that wrote it, or a newer one."));
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw new CliException(new CliError(ExitCode.Usage, "data_dir", $"cannot write in {options.DataDirectory}: {wrong.Message}", "Choose another folder with --data DIR."));
        }
    }

    private sealed record RunResult(int Id, string Host, int Port, int Pid);
}
