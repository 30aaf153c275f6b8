using System.CommandLine;
using System.Text.Json;
using Mesh30K.Cli.Client;
using Mesh30K.Node.Api.Identity;
using Mesh30K.Protocol.Identity;
using Spectre.Console;

namespace Mesh30K.Cli.Commands;

/// <summary>Real agents: who may join, and running one. Each thing that can be done is a sub-verb.</summary>
public sealed class AgentCommand : VerbCommand
{
    public AgentCommand()
        : base("agent", "Enrol real agents and people, revoke them, rotate keys")
    {
        foreach (VerbCommand verb in (VerbCommand[])[new AgentEnrolCommand(), new AgentListCommand(), new AgentRevokeCommand(), new AgentRotateMeshKeyCommand(), new AgentRunCommand()]) Add(verb);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["mesh agent enrol counter --class serverless --capability count", "mesh agent list", "mesh agent revoke counter --dry-run"];

    public override Task<ExitCode> RunAsync(VerbRun run) => throw new InvalidOperationException("agent has sub-verbs only");

    /// <summary>A request's body.</summary>
    internal static byte[] Body(Action<Utf8JsonWriter> write)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        return bytes.ToArray();
    }

    internal static void Show(IAnsiConsole console, IdentityView agent)
    {
        string webhook = agent.Webhook is { } address ? $" at {address}" : "";
        Views.Line(console, $"{agent.AgentId}: {agent.AgentClass} by {agent.Link}{webhook}, {agent.State}, enrolled {agent.EnrolledAt}");
        if (agent.Capabilities.Count > 0) Views.Line(console, $"  can: {string.Join(", ", agent.Capabilities)}");
        foreach (IdentityKeyView key in agent.Keys) Views.Line(console, $"  {key.Key} {key.State}: rotate by {key.RotateBy}, valid until {key.ValidUntil}");
    }
}

/// <summary>Makes the token with which an agent enrols, or enrols a person.</summary>
public sealed class AgentEnrolCommand : NodeVerb
{
    private readonly Argument<string?> _id = new("id") { Description = "The agent's name in the mesh; left out, the agent chooses", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> _class = new("--class") { Description = "edge, serverless, persistent, gpu, local or human", HelpName = "class" };
    private readonly Option<string[]> _capability = new("--capability") { Description = "What it can do; may be given several times", HelpName = "name" };
    private readonly Option<string?> _webhook = new("--webhook") { Description = "The mesh posts to this address, instead of the agent opening a connection", HelpName = "url" };
    private readonly Option<int?> _uses = new("--uses") { Description = "How many agents may enrol with it (default 1)", HelpName = "n" };
    private readonly Option<string?> _valid = new("--valid") { Description = "How long the token works (default 1h)", HelpName = "time" };
    private readonly Option<bool> _bare = new("--bare") { Description = "Write the token alone, for a script" };
    private readonly Option<bool> _person = new("--person") { Description = "Enrol a person: no key, work comes to an inbox (mesh inbox)" };

    public AgentEnrolCommand()
        : base("enrol", "Make a token with which an agent joins, or enrol a person")
    {
        Add(_id);
        foreach (Option option in (Option[])[_class, _capability, _webhook, _uses, _valid, _bare, _person]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } =
    [
        "mesh agent enrol counter --class serverless --capability count", "mesh agent enrol --class edge --uses 100 --valid 1d --json",
        "mesh agent enrol hasher --class edge --webhook https://example.org/mesh", "mesh agent enrol counter --class local --bare", "mesh agent enrol ana --person --capability approve",
    ];

    private protected override void CheckInput(VerbRun run)
    {
        bool isPerson = run.Parse.GetValue(_person);
        if (!isPerson && run.Parse.GetValue(_class) is null) throw Wrong("what kind of agent is it? --class is missing", "Such as --class serverless; or --person for a person.");
        if (!isPerson) return;
        if (run.Parse.GetValue(_id) is null) throw Wrong("a person needs a name", "Such as `mesh agent enrol ana --person`.");
        if (run.Parse.GetValue(_class) is { } given && !(ImpedanceClasses.TryParse(given, out ImpedanceClass known) && known == ImpedanceClass.Human)) throw Wrong($"a person is of class human, not {given}", "Leave out --class.");
        foreach (Option option in (Option[])[_webhook, _uses, _valid, _bare])
            if (run.Parse.GetResult(option) is { Implicit: false }) throw Wrong($"{option.Name} does not go with --person: a person gets no token", $"Leave out {option.Name}.");
    }

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        string? id = run.Parse.GetValue(_id);
        string[] capabilities = run.Parse.GetValue(_capability) ?? [];
        if (run.Parse.GetValue(_person)) return await EnrolPersonAsync(run, client, id!, capabilities).ConfigureAwait(false);
        TimeSpan? valid = run.Parse.GetValue(_valid) is { } text ? Queue.Duration.Of("--valid", text, TimeSpan.FromSeconds(1)) : null;
        byte[] body = AgentCommand.Body(json =>
        {
            if (id is not null) json.WriteString("agent_id", id);
            json.WriteString("class", run.Parse.GetValue(_class));
            WriteTexts(json, capabilities);
            if (run.Parse.GetValue(_webhook) is { } webhook) json.WriteString("webhook", webhook);
            if (run.Parse.GetValue(_uses) is { } uses) json.WriteNumber("uses", uses);
            if (valid is { } span) json.WriteNumber("valid_ms", span.TotalMilliseconds);
        });
        NodeAnswer<TokenView> token = await client.PostAsync("/v1/tokens", body, IdentityViews.Default.TokenView, NodeClient.ReadWithin, run.Stop).ConfigureAwait(false);
        run.Output.ResultText(token.Json, run.Parse.GetValue(_bare) ? token.Value.Token : Say(token.Value, client.Address));
        return ExitCode.Ok;
    }

    private static async Task<ExitCode> EnrolPersonAsync(VerbRun run, NodeClient client, string id, string[] capabilities)
    {
        byte[] body = AgentCommand.Body(json =>
        {
            json.WriteString("agent_id", id);
            WriteTexts(json, capabilities);
        });
        NodeAnswer<IdentityView> person = await client.PostAsync("/v1/people", body, IdentityViews.Default.IdentityView, NodeClient.ReadWithin, run.Stop).ConfigureAwait(false);
        run.Output.ResultText(person.Json, $"{person.Value.AgentId} is in. What comes for them: mesh inbox --as {person.Value.AgentId} --watch");
        return ExitCode.Ok;
    }

    /// <summary>The token alone on its line, whatever the terminal's width: it is to be copied.</summary>
    private static string Say(TokenView t, Uri node)
    {
        string who = t.AgentId is null ? "an agent that names itself" : $"agent {t.AgentId}";
        string often = t.Uses == 1 ? "works once" : $"works {t.Uses} times";
        string name = t.AgentId ?? "NAME";
        return $"Token for {who} ({t.AgentClass}), {often}, until {t.ValidUntil}. It is a secret and is not shown again:\n\n{t.Token}\n\nNext, where the agent lives, with the token in the variable MESH_TOKEN:\n  mesh agent run --node {node.GetLeftPart(UriPartial.Authority)} --identity {name} --id {name} -- COMMAND";
    }

    private static void WriteTexts(Utf8JsonWriter json, string[] capabilities)
    {
        json.WriteStartArray("capabilities");
        foreach (string capability in capabilities) json.WriteStringValue(capability);
        json.WriteEndArray();
    }

    private static CliException Wrong(string message, string hint) => new(new CliError(ExitCode.Usage, "usage", message, hint));
}

/// <summary>Lists who is enrolled.</summary>
public sealed class AgentListCommand : NodeVerb
{
    private readonly Option<string?> _state = new("--state") { Description = "active, expired (no valid key) or revoked", HelpName = "name" };
    private readonly Option<string?> _link = new("--link") { Description = "websocket, webhook or person", HelpName = "name" };
    private readonly Option<int?> _limit = new("--limit") { Description = "At most so many, 1 to 1000 (default 100)", HelpName = "n" };
    private readonly Option<string?> _after = new("--after") { Description = "Go on after the page before: its next_after", HelpName = "id" };

    public AgentListCommand()
        : base("list", "List who is enrolled, with their keys")
    {
        foreach (Option option in (Option[])[_state, _link, _limit, _after]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh agent list", "mesh agent list --state revoked --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        string path = Query.Of("/v1/identities", ("state", run.Parse.GetValue(_state)), ("link", run.Parse.GetValue(_link)), ("limit", run.Parse.GetValue(_limit)), ("after", run.Parse.GetValue(_after)));
        NodeAnswer<IdentityPage> page = await client.GetAsync(path, IdentityViews.Default.IdentityPage, run.Stop).ConfigureAwait(false);
        run.Output.Result(page.Json, console =>
        {
            foreach (IdentityView agent in page.Value.Identities) AgentCommand.Show(console, agent);
            Views.Line(console, $"{page.Value.Identities.Count:N0} of {page.Value.Total:N0} enrolled{(page.Value.NextAfter is { } next ? $"; more with --after {next}" : "")}. Who is in the mesh now: mesh agents");
        });
        return ExitCode.Ok;
    }
}

/// <summary>Ends an agent's right to join, or one of its keys. Asks first.</summary>
public sealed class AgentRevokeCommand : NodeVerb
{
    private readonly Argument<string> _id = new("id") { Description = "The agent or person" };
    private readonly Option<string?> _key = new("--key") { Description = "Only this key of it, such as k-0123456789abcdef", HelpName = "key" };
    private readonly Option<bool> _yes = new("--yes") { Description = "Do not ask" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Show what would be revoked, and change nothing" };

    public AgentRevokeCommand()
        : base("revoke", "End an agent's right to join, at once and for good")
    {
        Add(_id);
        foreach (Option option in (Option[])[_key, _yes, _dryRun]) Add(option);
    }

    public override IReadOnlyList<string> Examples { get; } = ["mesh agent revoke counter --dry-run", "mesh agent revoke counter --yes", "mesh agent revoke counter --key k-0123456789abcdef --yes"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        string path = $"/v1/identities/{Uri.EscapeDataString(run.Parse.GetRequiredValue(_id))}";
        string? key = run.Parse.GetValue(_key);
        NodeAnswer<IdentityView> before = await client.GetAsync(path, IdentityViews.Default.IdentityView, run.Stop).ConfigureAwait(false);
        IdentityView agent = before.Value;
        if (key is not null && !agent.Keys.Any(k => k.Key == key))
            throw new CliException(new CliError(ExitCode.Usage, "no_key", $"{agent.AgentId} has no key {Plain.Line(key, 64)}", "`mesh agent list` shows the keys."));
        if (run.Parse.GetValue(_dryRun))
        {
            run.Output.Result(new { DryRun = true, WouldRevoke = new { agent.AgentId, Key = key } }, console =>
            {
                Views.Line(console, key is null ? $"would revoke {agent.AgentId} as a whole; its id is never given again:" : $"would revoke the key {key} of {agent.AgentId}:");
                AgentCommand.Show(console, agent);
            });
            return ExitCode.Ok;
        }
        if (!run.Parse.GetValue(_yes) && !Confirm(run, agent, key)) return run.Output.Fail(new CliError(ExitCode.NotAchieved, "not_confirmed", "nothing was revoked"));
        byte[] body = AgentCommand.Body(json =>
        {
            if (key is not null) json.WriteString("key", key);
        });
        NodeAnswer<IdentityView> after = await client.PostAsync(path + "/revoke", body, IdentityViews.Default.IdentityView, NodeClient.ReadWithin, run.Stop).ConfigureAwait(false);
        run.Output.Result(after.Json, console => AgentCommand.Show(console, after.Value));
        return ExitCode.Ok;
    }

    private static bool Confirm(VerbRun run, IdentityView agent, string? key)
    {
        if (!run.Context.InIsTerminal || run.Output.Json)
            throw new CliException(new CliError(ExitCode.Usage, "confirmation_needed", $"this ends {agent.AgentId}'s right to join, and there is nobody to ask", "Look with --dry-run, then give --yes."));
        run.Output.Note(key is null ? $"Revoke {agent.AgentId} for good? Type yes:" : $"Revoke the key {key} of {agent.AgentId}? Type yes:");
        using StreamReader answer = new(run.Context.OpenIn());
        return string.Equals(answer.ReadLine()?.Trim(), "yes", StringComparison.OrdinalIgnoreCase);
    }
}

/// <summary>Announces the mesh's next key.</summary>
public sealed class AgentRotateMeshKeyCommand() : NodeVerb("rotate-mesh-key", "Announce the mesh's next key; it signs a week later")
{
    public override IReadOnlyList<string> Examples { get; } = ["mesh agent rotate-mesh-key", "mesh agent rotate-mesh-key --json"];

    private protected override async Task<ExitCode> RunAsync(VerbRun run, NodeClient client)
    {
        NodeAnswer<MeshKeysView> keys = await client.PostAsync("/v1/mesh-key/rotate", "{}"u8.ToArray(), IdentityViews.Default.MeshKeysView, NodeClient.ReadWithin, run.Stop).ConfigureAwait(false);
        run.Output.Result(keys.Json, console =>
        {
            MeshKeysView k = keys.Value;
            Views.Line(console, $"{(k.Announced == true ? "announced" : "was announced already:")} {k.MeshKeys[^1].Key} signs from {k.NextSignsFrom} on; until then {k.MeshKeys[0].Key}");
            Views.Line(console, "Agents that connect before that learn it by themselves; others have to be enrolled anew.");
        });
        return ExitCode.Ok;
    }
}
