using System.CommandLine;
using System.Net;
using Mesh30K.Cli.Commands;
using Mesh30K.Node.Api;

namespace Mesh30K.Cli.Client;

/// <summary>
/// The options by which verbs find their node. Without them: the nearest <c>.mesh/node.json</c> in the caller's folder or above it, and the
/// operator key beside it.
/// </summary>
internal sealed class NodeArguments
{
    private const string DataFolder = ".mesh";

    private readonly Option<string?> _node = new("--node") { HelpName = "url" };
    private readonly Option<string?> _keyFile = new("--key-file") { Description = "The node's operator key; default: beside node.json", HelpName = "file" };

    public NodeArguments(Command verb, string about = "The node's address; default: from the nearest .mesh/node.json")
    {
        _node.Description = about;
        verb.Add(_node);
        verb.Add(_keyFile);
    }

    /// <summary>Whether a node was named.</summary>
    public bool IsGiven(VerbRun run) => run.Parse.GetValue(_node) is not null || run.Parse.GetValue(_keyFile) is not null;

    /// <summary>A client of the node. Throws a <see cref="CliException"/> with what to do when there is none, or no key.</summary>
    public NodeClient Connect(VerbRun run)
    {
        string? folder = FindDataFolder(run.Context.WorkingDirectory);
        Uri address = run.Parse.GetValue(_node) is { } given ? AddressOf(given) : AddressIn(folder);
        string? key = run.Parse.GetValue(_keyFile) is { } file ? run.PathOf(file) : folder is null ? null : NodeServer.KeyFile(folder);
        if (key is null)
            throw Refused("key_missing", $"no operator key for {address}: there is no {DataFolder} folder here or above", "Name the node's key with --key-file FILE; it is operator.key in its data directory.");
        try
        {
            return new NodeClient(address, OperatorKey.Load(key).ToHeader());
        }
        catch (OperatorKeyException wrong)
        {
            throw Refused("key_unusable", wrong.Message, "Name the node's key with --key-file FILE; it is operator.key in its data directory.");
        }
    }

    private static Uri AddressIn(string? folder)
    {
        NodeState? state = folder is null ? null : NodeStateFile.TryRead(NodeServer.StateFile(folder));
        if (state is null)
            throw Refused("node_unreachable", $"no node is running here: there is no {DataFolder}/node.json that names one, in this folder or above", "Start one with `mesh up`, or name one with --node URL --key-file FILE.");
        if (!state.IsProcessAlive())
            throw Refused("node_unreachable", $"the node of this folder (process {state.Pid}, {state.Address}) is not running any more", "Start it again with `mesh up`.");
        return AddressOf(state.Address);
    }

    private static Uri AddressOf(string text)
    {
        if (!Uri.TryCreate(text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"))
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"--node must be an address such as http://127.0.0.1:7300, was {Plain.Line(text, 100)}"));
        bool local = address.IsLoopback || (IPAddress.TryParse(address.Host, out IPAddress? ip) && IPAddress.IsLoopback(ip));
        if (address.Scheme == "http" && !local)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"will not send the operator key to {address} without TLS", "Use https, or a tunnel to 127.0.0.1."));
        return address;
    }

    private static string? FindDataFolder(string from)
    {
        for (DirectoryInfo? at = new(from); at is not null; at = at.Parent)
        {
            string candidate = Path.Combine(at.FullName, DataFolder);
            if (File.Exists(NodeServer.StateFile(candidate))) return candidate;
        }
        string here = Path.Combine(from, DataFolder);
        return File.Exists(NodeServer.KeyFile(here)) ? here : null;
    }

    private static CliException Refused(string code, string message, string hint) => new(new CliError(ExitCode.NodeUnreachable, code, message, hint));
}
