using Mesh30K.Cli.Client;

namespace Mesh30K.Cli.Commands;

/// <summary>A verb that asks a running node. Exit code 3 when there is none or it refuses the caller.</summary>
public abstract class NodeVerb : VerbCommand
{
    private readonly NodeArguments _node;

    private protected NodeVerb(string name, string summary)
        : base(name, summary) => _node = new NodeArguments(this);

    public sealed override async Task<ExitCode> RunAsync(VerbRun run)
    {
        CheckInput(run);
        using NodeClient client = _node.Connect(run);
        return await RunAsync(run, client).ConfigureAwait(false);
    }

    /// <summary>Checks what can be checked without a node; throws a <see cref="CliException"/>.</summary>
    private protected virtual void CheckInput(VerbRun run)
    {
    }

    private protected abstract Task<ExitCode> RunAsync(VerbRun run, NodeClient client);
}

/// <summary>Builds the query of a path from what was given.</summary>
internal static class Query
{
    public static string Of(string path, params (string Name, object? Value)[] parts)
    {
        string query = string.Join('&', parts.Where(p => p.Value is not null).Select(p => $"{p.Name}={Uri.EscapeDataString(Convert.ToString(p.Value, System.Globalization.CultureInfo.InvariantCulture)!)}"));
        return query.Length == 0 ? path : $"{path}?{query}";
    }
}
