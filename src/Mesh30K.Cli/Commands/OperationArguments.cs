using System.CommandLine;
using System.Text.Json;
using Mesh30K.Cli.Client;
using Mesh30K.Node.Api;
using Mesh30K.Node.Api.Operations;

namespace Mesh30K.Cli.Commands;

/// <summary>The options that the verbs which submit operations share, and the submission itself.</summary>
internal sealed class OperationArguments
{
    private const int FileBytesMax = 1 << 20;
    private const int PhasesMost = 8;

    private readonly Option<double?> _window = new("--window") { Description = "Arrival window in ms, above 0: ± this around the target is a hit", HelpName = "ms" };
    private readonly Option<double?> _timeout = new("--timeout") { Description = "The longest it may take in ms, at least the window", HelpName = "ms" };
    private readonly Option<double?> _ttl = new("--ttl") { Description = "How long it may wait to be sent and answered, in ms; people need more than the default", HelpName = "ms" };
    private readonly Option<int?> _priority = new("--priority") { Description = "0 background, 1 normal, 2 high, 3 critical", HelpName = "n" };
    private readonly Option<string?> _planner = new("--planner") { Description = "learned, spec, fire-now (oracle with a simulated fleet)", HelpName = "name" };
    private readonly Option<string?> _onlyClass = new("--class") { Description = "Only agents of this class, such as CLASS_D_GPU or gpu", HelpName = "class" };
    private readonly Option<string?> _capability = new("--capability") { Description = "Only agents with this capability", HelpName = "name" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Show whom it would go to, and send nothing" };

    public OperationArguments(Command verb)
    {
        foreach (Option option in (Option[])[_window, _timeout, _ttl, _priority, _planner, _onlyClass, _capability, _dryRun]) verb.Add(option);
    }

    /// <summary>Puts the shared options into a request. Ranges are the node's to check; only what it could not even be told is refused here.</summary>
    public OperationRequest Apply(VerbRun run, OperationRequest request)
    {
        foreach ((string name, double? value) in new[] { ("--window", run.Parse.GetValue(_window)), ("--timeout", run.Parse.GetValue(_timeout)), ("--ttl", run.Parse.GetValue(_ttl)) })
            if (value is { } ms && !(ms > 0 && double.IsFinite(ms))) throw Bad($"{name} must be above 0 ms, was {ms}", $"For example: {name} 500");
        if (run.Parse.GetValue(_capability) is "") throw Bad("--capability is empty", "Name a capability, or leave the option out.");
        SelectorRequest selector = request.Selector ?? new SelectorRequest();
        return request with
        {
            WindowMs = run.Parse.GetValue(_window),
            TimeoutMs = run.Parse.GetValue(_timeout),
            TtlMs = run.Parse.GetValue(_ttl),
            Priority = run.Parse.GetValue(_priority),
            Planner = run.Parse.GetValue(_planner),
            Selector = selector with { Class = run.Parse.GetValue(_onlyClass), Capability = run.Parse.GetValue(_capability) },
        };
    }

    /// <summary>Submits, waits for the end, and shows the result as <paramref name="render"/> does. With <c>--dry-run</c> only counts.</summary>
    /// <returns>The operation; null after a dry run.</returns>
    public async Task<OperationView?> SubmitAsync(VerbRun run, NodeClient client, OperationRequest request, Action<Spectre.Console.IAnsiConsole, OperationView> render)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(request, ApiViews.Default.OperationRequest);
        if (run.Parse.GetValue(_dryRun))
        {
            NodeAnswer<DryRunView> counted =
                await client.PostAsync("/v1/operations?dry_run=true", body, ApiViews.Default.DryRunView, NodeClient.ReadWithin, run.Stop).ConfigureAwait(false);
            run.Output.Result(counted.Json, console => Views.DryRun(console, counted.Value));
            return null;
        }
        // As long as the node itself waits at most: the time to live in the queue (60 s), a timeout a phase, and a margin.
        TimeSpan within = TimeSpan.FromSeconds(70) + TimeSpan.FromMilliseconds(PhasesMost * Math.Min(86_400_000, request.TimeoutMs ?? 60_000));
        NodeAnswer<OperationView> answer =
            await client.PostAsync("/v1/operations?wait=true", body, ApiViews.Default.OperationView, within, run.Stop).ConfigureAwait(false);
        if (answer.Value.State != "ended")
            throw new CliException(new CliError(
                ExitCode.NodeUnreachable, "not_ended", $"the operation {answer.Value.OperationId} had not ended when the node answered", $"Look again with: mesh operation {answer.Value.OperationId}"));
        run.Output.Result(answer.Json, console => render(console, answer.Value));
        return answer.Value;
    }

    /// <summary>JSON from the command line, or from a file named as <c>@file</c>.</summary>
    public static JsonElement? Payload(VerbRun run, string? text)
    {
        if (text is null) return null;
        string source = text.StartsWith('@') ? text[1..] : "--payload";
        if (text.StartsWith('@')) text = ReadFile(run.PathOf(source), source);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException wrong)
        {
            throw Bad(
                $"{source} is not JSON: line {(wrong.LineNumber ?? 0) + 1}, position {(wrong.BytePositionInLine ?? 0) + 1}",
                """Give JSON such as --payload '{"task":"sync"}' (a plain text needs its quotes: '"hello"'), or a file: --payload @task.json""");
        }
    }

    /// <summary>A JSON string.</summary>
    /// <param name="text">What the user wrote.</param>
    /// <param name="what">What it is, for the error when it is empty: a variable in the command that is not set, most likely.</param>
    public static JsonElement Text(string text, string what) =>
        string.IsNullOrWhiteSpace(text) ? throw Bad($"the {what} is empty", $"Write it in quotes after the verb; is a variable not set?") : JsonSerializer.SerializeToElement(text);

    private static string ReadFile(string path, string shown)
    {
        if (Directory.Exists(path)) throw Bad($"cannot read {shown}: it is a folder", "Name a file after the @.");
        try
        {
            if (new FileInfo(path).Length > FileBytesMax) throw Bad($"{shown} is larger than {FileBytesMax} bytes", "The node reads at most 1 MiB: send a reference instead of the content.");
            return File.ReadAllText(path);
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw Bad($"cannot read {shown}: {wrong.Message}", "Check the path after the @.");
        }
    }

    private static CliException Bad(string message, string hint) => new(new CliError(ExitCode.Usage, "bad_value", message, hint));
}
