using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Mesh30K.Cli.Execution;
using Mesh30K.Cli.Queue;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Commands;

/// <summary>Sends an HTTP request once per key, with the key in its Idempotency-Key header; afterwards the recorded body is replayed.</summary>
public sealed class EffectHttpCommand : EffectExecuteVerb
{
    /// <summary>Headers that say who asks, not what for: they may change from run to run.</summary>
    private static readonly string[] NoPartOfRequest = ["authorization", "cookie", "proxy-authorization", "user-agent", "date"];

    private readonly Argument<string> _url = new("url") { Description = "Where it goes" };
    private readonly Option<string> _method = new("--method") { Description = "The method", HelpName = "name", DefaultValueFactory = _ => "POST" };
    private readonly Option<string?> _data = new("--data") { Description = "The body: text, @FILE, or - for stdin; application/json unless --header says otherwise", HelpName = "text" };
    private readonly Option<string[]> _header = new("--header") { Description = "A header, as \"Name: value\"; may be repeated. Authorization and cookies are no part of the request", HelpName = "header" };
    private readonly Option<string> _timeout = new("--timeout") { Description = "For each request; without an answer in time it is not known whether it took place", HelpName = "time", DefaultValueFactory = _ => "30s" };

    private EffectHttpRequest? _request;

    public EffectHttpCommand()
        : base("http", "Send an HTTP request once per key")
    {
        Add(_url);
        foreach (Option option in (Option[])[_method, _data, _header, _timeout]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh effect http --key issue-31 https://api.example.com/issues --data '{\"title\":\"Broken link\"}'", "mesh effect http --key pay-77 --honours-key https://pay.example.com/charges --data @charge.json --header \"Authorization: Bearer $TOKEN\"",
    ];

    private protected override async Task CheckInputAsync(VerbRun run)
    {
        string url = run.Parse.GetRequiredValue(_url);
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"))
            throw Bad($"<url> must begin with http:// or https://, was {url}");
        string method = run.Parse.GetRequiredValue(_method);
        if (method.Length is 0 or > 32 || !method.All(char.IsAsciiLetter)) throw Bad($"--method must be a word such as POST, was {method}");
        byte[]? body = run.Parse.GetValue(_data) switch
        {
            null => null,
            "-" => await ReadStdinAsync(run).ConfigureAwait(false),
            ['@', .. var file] => await ReadFileAsync(run, file).ConfigureAwait(false),
            var text => Encoding.UTF8.GetBytes(text),
        };
        List<(string, string)> headers = [.. (run.Parse.GetValue(_header) ?? []).Select(HeaderOf)];
        _request = new EffectHttpRequest(new HttpMethod(method.ToUpperInvariant()), address, headers, body, Duration.Of(_timeout.Name, run.Parse.GetRequiredValue(_timeout), TimeSpan.FromMilliseconds(1)));
        string key = run.Parse.GetRequiredValue<string>("--key");
        if (!key.All(c => c is > ' ' and <= '~')) throw Bad($"--key goes into the header {EffectHttp.KeyHeader}: letters, digits and signs of ASCII without spaces, was {key}");
    }

    private protected override byte[] RequestBytes(VerbRun run)
    {
        StringBuilder text = new($"mesh effect http 1\n{_request!.Method} {_request.Url.AbsoluteUri}\n");
        foreach ((string name, string value) in _request.Headers.Where(h => !NoPartOfRequest.Contains(h.Name.ToLowerInvariant())).OrderBy(h => h.Name.ToLowerInvariant(), StringComparer.Ordinal))
            text.Append(name.ToLowerInvariant()).Append(": ").Append(value).Append('\n');
        return [.. Encoding.UTF8.GetBytes(text.ToString()), .. SHA256.HashData(_request.Body ?? [])];
    }

    private protected override Task<EffectOutcome> ExecuteAsync(VerbRun run, EffectContext context, CancellationToken cancel) => EffectHttp.SendAsync(_request!, context, cancel);

    private protected override void ShowOutput(VerbRun run, RecordedOutput output, bool isReplay)
    {
        if (output.Status is { } status && ExitOf(output) != ExitCode.Ok) run.Output.Note($"mesh: the answer was {status}");
        new LiveOutput(run).Write(output.Bytes);
    }

    private protected override ExitCode ExitOf(RecordedOutput output) =>
        output.Status is { } status && EffectHttp.ReportOf((System.Net.HttpStatusCode)status, honoursKey: false) != Consistency.Strong.Ledger.EffectReport.Done ? ExitCode.NotAchieved : ExitCode.Ok;

    private static async Task<byte[]> ReadStdinAsync(VerbRun run)
    {
        using Stream stdin = run.Context.OpenIn();
        return await ReadAllAsync(stdin, "stdin", run.Stop).ConfigureAwait(false);
    }

    private static async Task<byte[]> ReadFileAsync(VerbRun run, string file)
    {
        try
        {
            using FileStream stream = File.OpenRead(run.PathOf(file));
            return await ReadAllAsync(stream, file, run.Stop).ConfigureAwait(false);
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw Bad($"cannot read --data {file}: {wrong.Message}");
        }
    }

    private static (string Name, string Value) HeaderOf(string given)
    {
        int colon = given.IndexOf(':', StringComparison.Ordinal);
        string name = colon > 0 ? given[..colon].Trim() : "";
        bool isName = name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal));
        if (!isName || given.Any(char.IsControl)) throw Bad("--header must be \"Name: value\" on one line");
        if (!Ascii.IsValid(given)) throw Bad($"--header {name} has a value that is not in ASCII, which no header can have: write it in ASCII, such as percent-encoded");
        if (name.Equals(EffectHttp.KeyHeader, StringComparison.OrdinalIgnoreCase)) throw Bad($"--header {EffectHttp.KeyHeader} is set by mesh, to the key");
        return (name, given[(colon + 1)..].Trim());
    }

    private static CliException Bad(string message) => new(new CliError(ExitCode.Usage, "bad_value", message));
}
