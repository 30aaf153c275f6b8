// An agent of a mesh with the SDK: counts the words of what it gets, whatever the payload's form.
using System.Text.Json;
using Mesh30K.Agent;
using Mesh30K.Protocol.Identity;

if (args is not [string identity, ..])
{
    Console.Error.WriteLine("WordAgent IDENTITY_FOLDER [ID]   the node in MESH_NODE; the first time the id, and in MESH_ENROL_TOKEN the token of `mesh agent enrol`");
    return 2;
}

using CancellationTokenSource stop = new();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};

MeshAgent agent = new(new MeshAgentOptions
{
    Node = new Uri(Environment.GetEnvironmentVariable("MESH_NODE") ?? "http://127.0.0.1:7300"),
    IdentityFolder = identity,
    Id = args.Length > 1 ? new AgentId(args[1]) : null,
    Token = Environment.GetEnvironmentVariable("MESH_ENROL_TOKEN"),
    Log = Console.WriteLine,
});
await using (agent)
{
    try
    {
        await agent.RunAsync((work, _) => Task.FromResult(WorkResult.Ready(Count(work.Payload))), stop.Token);
        return 0;
    }
    catch (Exception refused) when (refused is MeshRefusedException or AgentIdentityException)
    {
        Console.Error.WriteLine(refused.Message);
        return 3;
    }
}

static string Count(string payload)
{
    using JsonDocument document = JsonDocument.Parse(payload);
    int words = 0, characters = 0;
    foreach (string text in Texts(document.RootElement))
    {
        words += text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        characters += text.Length;
    }
    return $"{words} words, {characters} characters";
}

static IEnumerable<string> Texts(JsonElement value) => value.ValueKind switch
{
    JsonValueKind.String => [value.GetString()!],
    JsonValueKind.Array => value.EnumerateArray().SelectMany(Texts),
    JsonValueKind.Object => value.EnumerateObject().SelectMany(member => Texts(member.Value)),
    _ => [],
};
