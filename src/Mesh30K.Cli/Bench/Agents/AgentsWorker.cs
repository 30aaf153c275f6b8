using System.Text.Json;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Cli.Bench.Agents;

/// <summary>
/// The process of <c>mesh bench agents</c> that holds the agents: raw sockets, each frame checked and each answer signed as docs/protocol/links.md says. Lean on purpose: it shares the machine with what is measured.
/// </summary>
internal static class AgentsWorker
{
    private const int ConnectsAtOnce = 64;

    public static async Task RunAsync(TextReader input, TextWriter output, CancellationToken stop)
    {
        string? line = await input.ReadLineAsync(stop).ConfigureAwait(false);
        AgentsPlan plan = JsonSerializer.Deserialize<AgentsPlan>(line ?? "null") ?? throw new InvalidOperationException("nobody said what to do");
        if (Ed25519PublicKey.TryParse(plan.MeshKey, out Ed25519PublicKey? meshKey) is { } wrong) throw new InvalidOperationException(wrong);
        VerifiedRoots roots = new();
        BenchAgent[] agents = [.. Enumerable.Range(0, plan.Connections).Select(i => new BenchAgent(plan, AgentsPlan.IdOf(i), plan.KeyOf(i), meshKey!, roots))];
        Task[] running = new Task[agents.Length];
        // From the first connection on: on a busy machine the last one comes later than the first may be silent.
        using PeriodicTimer beats = new(BenchAgent.BeatsEvery / 5);
        Task beating = BeatAsync(agents, beats);
        using SemaphoreSlim slots = new(ConnectsAtOnce);
        await Task.WhenAll(Enumerable.Range(0, agents.Length).Select(async i =>
        {
            await slots.WaitAsync(stop).ConfigureAwait(false);
            try
            {
                await agents[i].ConnectAsync(stop).ConfigureAwait(false);
                running[i] = agents[i].RunAsync();
            }
            finally
            {
                slots.Release();
            }
        })).ConfigureAwait(false);
        await output.WriteLineAsync(AgentsPlan.Connected).ConfigureAwait(false);
        await output.FlushAsync(stop).ConfigureAwait(false);
        while (await input.ReadLineAsync(stop).ConfigureAwait(false) is { } word && word != AgentsPlan.Stop)
        {
        }
        AgentsTally tally = new(agents.Sum(a => a.Deliveries), agents.Sum(a => a.Repeated), agents.Count(a => a.IsBroken));
        beats.Dispose();
        await beating.ConfigureAwait(false);
        foreach (BenchAgent agent in agents) agent.Abort();
        await Task.WhenAll(running).ConfigureAwait(false);
        await output.WriteLineAsync(JsonSerializer.Serialize(tally)).ConfigureAwait(false);
        await output.FlushAsync(stop).ConfigureAwait(false);
    }

    /// <summary>A fifth of the agents each time, and only those that have said nothing for a while: any frame is a sign of life for the connection.</summary>
    private static async Task BeatAsync(BenchAgent[] agents, PeriodicTimer timer)
    {
        for (int part = 0; await timer.WaitForNextTickAsync().ConfigureAwait(false); part = (part + 1) % 5)
            for (int i = part; i < agents.Length; i += 5) await agents[i].BeatAsync().ConfigureAwait(false);
    }
}
