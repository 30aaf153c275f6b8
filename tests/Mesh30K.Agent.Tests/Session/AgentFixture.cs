using System.Collections.Concurrent;
using Mesh30K.Agent.Identity;

namespace Mesh30K.Agent.Tests.Session;

/// <summary>A <see cref="MeshAgent"/> against a <see cref="FakeMesh"/>: what its handler got, what it logged, and its end.</summary>
internal sealed class AgentFixture : IAsyncDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("mesh-agent-").FullName;
    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
    private MeshAgent? _agent;

    internal FakeMesh Mesh { get; } = FakeMesh.Start();

    internal string Folder => Path.Combine(_root, "identity");

    internal ConcurrentQueue<Work> Got { get; } = new();

    internal ConcurrentQueue<string> Lines { get; } = new();

    internal MeshAgent Agent => _agent!;

    internal Task Running { get; private set; } = Task.CompletedTask;

    /// <summary>What the handler does; without it it gives the payload back.</summary>
    internal Func<Work, CancellationToken, Task<WorkResult>> Handler { get; set; } = static (work, _) => Task.FromResult(WorkResult.Ready(work.Payload));

    internal MeshAgentOptions Options => new() { Node = Mesh.Address, IdentityFolder = Folder, Id = new("worker-1"), Token = Mesh.Token, Log = Lines.Enqueue };

    internal void Start(MeshAgentOptions? options = null)
    {
        _agent = new MeshAgent(options ?? Options);
        Running = _agent.RunAsync(
            (work, cancel) =>
            {
                Got.Enqueue(work);
                return Handler(work, cancel);
            },
            _stop.Token);
    }

    internal async Task<FakeLink> ConnectedAsync(MeshAgentOptions? options = null)
    {
        Start(options);
        Task<FakeLink> link = Mesh.LinkAsync();
        Assert.True(await Task.WhenAny(link, Running) == link, $"the agent ended: {Running.Exception?.InnerException?.Message}");
        return await link;
    }

    internal Task StopAsync() => _stop.CancelAsync();

    internal Task EndedAsync() => Running.WaitAsync(FakeMesh.Generous, TestContext.Current.CancellationToken);

    /// <summary>Waits for a line of the log.</summary>
    internal async Task LoggedAsync(string part)
    {
        using CancellationTokenSource within = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        within.CancelAfter(FakeMesh.Generous);
        while (!Lines.Any(line => line.Contains(part, StringComparison.Ordinal)))
        {
            Assert.False(within.IsCancellationRequested, $"no line with '{part}' in:\n{string.Join('\n', Lines)}");
            await Task.Delay(10, CancellationToken.None);
        }
    }

    /// <summary>What the folder holds, once the agent is stopped.</summary>
    internal IdentityFolder OpenFolder() => IdentityFolder.Open(Folder);

    public async ValueTask DisposeAsync()
    {
        await Mesh.DisposeAsync();
        if (_agent is not null) await _agent.DisposeAsync();
        _stop.Dispose();
        Directory.Delete(_root, recursive: true);
    }
}
