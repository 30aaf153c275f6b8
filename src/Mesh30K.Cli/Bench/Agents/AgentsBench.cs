using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Cli.Git;
using Mesh30K.Coordination.Arrival;
using Mesh30K.Coordination.Cascades;
using Mesh30K.Coordination.Topology;
using Mesh30K.Node.Api;
using Mesh30K.Node.Hosting;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Links;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Cli.Bench.Agents;

/// <summary>What <c>mesh bench agents</c> measures. Times in ms unless said otherwise. <c>Ed25519</c> is the library that signs and verifies, in both processes.</summary>
internal sealed record AgentsResult(
    int Connections, double ConnectS, AgentsResult.Spread CascadeMs, double MessagesPerS, [property: JsonPropertyName("server_mb_per_1000")] double ServerMbPer1000, int Rounds, long AcksTallied, long Lost, long Repeated, long Broken,
    double MessagesPerFrame, double FramesPerSignature, double ServerCpuMsPerCascade, string Ed25519, AgentsResult.AimsReached Aims)
{
    public sealed record Spread(double P50, double P95);

    /// <summary>The issue's figures: p95 1,000 ms, 40,000 messages a second, 32 KB a connection.</summary>
    public sealed record AimsReached(bool CascadeP95, bool MessagesPerS, bool Memory);
}

/// <summary>How it is to be run.</summary>
internal sealed record AgentsArguments(int Connections, int Rounds, double Seconds, int UnderWay, Action<string> Note, CancellationToken Stop);

/// <summary>
/// A node in this process and its agents in another, over real sockets with signatures on. First the cascades one after the other, each to all agents, timed from the submission to the result; then several under way at
/// once, so that frames hold several messages. Every ack is tallied by the mesh itself: what it does not count is lost.
/// </summary>
internal sealed class AgentsBench(AgentsArguments arguments)
{
    private const int WarmUp = 10;
    private const double TimeoutMs = 30_000;
    private static readonly TimeSpan ConnectWithin = TimeSpan.FromMinutes(5);

    private static readonly OperationSpec Spec = CascadePhases.Defaults(CascadeStrategy.Parallel) with
    {
        Planner = PlannerKind.FireNow,
        WindowMs = TimeoutMs,
        TimeoutMs = TimeoutMs + 1_000,
    };

    private long _tallied;
    private long _lost;

    public async Task<AgentsResult> RunAsync()
    {
        string folder = Directory.CreateTempSubdirectory("mesh-agents-").FullName;
        try
        {
            MeshHostOptions options = new() { Settings = new MeshSettings { Shape = MeshShape.For(arguments.Connections) } };
            MeshHost host = new(options, 0, static _ => throw new InvalidOperationException("there is no first fleet"));
            await using (host.ConfigureAwait(false))
            {
                host.Start();
                NodeServerOptions serving = new()
                {
                    Listen = new IPEndPoint(IPAddress.Loopback, 0),
                    DataDirectory = folder,
                    Links = new AgentLinkOptions { AgentsMax = arguments.Connections, MessagesPerSecond = 1_000_000, MessagesBurst = 1_000_000 },
                };
                NodeServer server = await NodeServer.StartAsync(host, serving, arguments.Stop).ConfigureAwait(false);
                await using (server.ConfigureAwait(false)) return await RunAsync(host, server).ConfigureAwait(false);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task<AgentsResult> RunAsync(MeshHost host, NodeServer server)
    {
        if (server.Links.ConnectionsMax < arguments.Connections)
            throw new CliException(new CliError(ExitCode.Usage, "bad_value", $"the limit of open files leaves room for {server.Links.ConnectionsMax} connections", "Raise it with ulimit -n, or ask for fewer."));
        MeshIdentity identity = server.Identity.Mesh;
        AgentsPlan plan = new(
            server.BaseAddress.ToString(), identity.MeshId, identity.Signing.PublicKey.ToString(), arguments.Connections, Convert.ToHexString(RandomNumberGenerator.GetBytes(16)));
        await EnrolAsync(plan, server.Identity).ConfigureAwait(false);
        double before = ResidentMb();
        using Process agents = Start();
        try
        {
            long from = Stopwatch.GetTimestamp();
            await agents.StandardInput.WriteLineAsync(JsonSerializer.Serialize(plan)).ConfigureAwait(false);
            await agents.StandardInput.FlushAsync(arguments.Stop).ConfigureAwait(false);
            string? line = await agents.StandardOutput.ReadLineAsync(arguments.Stop).AsTask().WaitAsync(ConnectWithin, arguments.Stop).ConfigureAwait(false);
            if (line != AgentsPlan.Connected)
                throw new CliException(new CliError(ExitCode.NotAchieved, "worker_failed", $"the agents did not connect: {await agents.StandardError.ReadToEndAsync(arguments.Stop).ConfigureAwait(false)}"));
            double connectS = Stopwatch.GetElapsedTime(from).TotalSeconds;
            double mb = ResidentMb() - before;
            arguments.Note($"agents: {arguments.Connections} connected in {connectS:0.0} s, {mb:0.0} MB");
            return await MeasureAsync(host, server, agents, connectS, mb).ConfigureAwait(false);
        }
        finally
        {
            if (!agents.HasExited) agents.Kill(entireProcessTree: true);
        }
    }

    private async Task<AgentsResult> MeasureAsync(MeshHost host, NodeServer server, Process agents, double connectS, double mb)
    {
        for (int i = 0; i < WarmUp; i++) await OneAsync(host).ConfigureAwait(false);
        List<double> ms = [];
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        for (int i = 0; i < arguments.Rounds; i++)
        {
            ms.Add(await OneAsync(host).ConfigureAwait(false));
            arguments.Note($"agents: cascade {i + 1} of {arguments.Rounds}: {ms[^1]:0} ms");
        }
        double cpuMs = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / arguments.Rounds;
        LinksView start = server.Links.View();
        long tallied = _tallied;
        long from = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, arguments.UnderWay).Select(_ => Task.Run(async () =>
        {
            do await OneAsync(host).ConfigureAwait(false);
            while (Stopwatch.GetElapsedTime(from).TotalSeconds < arguments.Seconds);
        }))).ConfigureAwait(false);
        double perSecond = 2 * (_tallied - tallied) / Stopwatch.GetElapsedTime(from).TotalSeconds;
        LinksView end = server.Links.View();
        arguments.Note($"agents: {perSecond:0} messages a second");
        foreach ((string code, long count) in end.Refusals) arguments.Note($"agents: {count} refused: {code}");
        if (end.SlowClosed + end.Evicted + end.Expired + end.Undeliverable + end.UnknownAcks + end.LostAcks > 0)
            arguments.Note($"agents: slow {end.SlowClosed}, evicted {end.Evicted}, expired {end.Expired}, undeliverable {end.Undeliverable}, acks unknown {end.UnknownAcks}, lost {end.LostAcks}");

        await agents.StandardInput.WriteLineAsync(AgentsPlan.Stop).ConfigureAwait(false);
        await agents.StandardInput.FlushAsync(arguments.Stop).ConfigureAwait(false);
        string? said = await agents.StandardOutput.ReadLineAsync(arguments.Stop).AsTask().WaitAsync(ConnectWithin, arguments.Stop).ConfigureAwait(false);
        AgentsTally tally = JsonSerializer.Deserialize<AgentsTally>(said ?? "null") ?? new AgentsTally(0, 0, arguments.Connections);
        double p95 = BenchReport.Quantile(ms, 0.95), perThousand = mb * 1_000 / arguments.Connections;
        return new AgentsResult(
            arguments.Connections, Math.Round(connectS, 2), new AgentsResult.Spread(Math.Round(BenchReport.Quantile(ms, 0.5), 1), Math.Round(p95, 1)), Math.Round(perSecond), Math.Round(perThousand, 1),
            arguments.Rounds, _tallied, _lost, tally.Repeated, tally.Broken, Math.Round((double)(end.MessagesOut - start.MessagesOut) / Math.Max(1, end.FramesOut - start.FramesOut), 2),
            Math.Round((double)(end.FramesOut - start.FramesOut) / Math.Max(1, end.Signatures - start.Signatures), 1), Math.Round(cpuMs, 1), Ed25519Library.InUse,
            new AgentsResult.AimsReached(p95 <= 1_000, perSecond >= 40_000, perThousand <= 32));
    }

    private async Task<double> OneAsync(MeshHost host)
    {
        long from = Stopwatch.GetTimestamp();
        OperationResult result = await host.RunAsync(Spec, arguments.Stop).ConfigureAwait(false);
        double ms = Stopwatch.GetElapsedTime(from).TotalMilliseconds;
        int ready = result.Report.Counts.Ready;
        if (ready != arguments.Connections) arguments.Note($"agents: of {arguments.Connections} agents {result.Report.Counts.Skipped} were skipped, {result.Report.Counts.Transit} did not answer");
        Interlocked.Add(ref _tallied, ready);
        Interlocked.Add(ref _lost, arguments.Connections - ready);
        return ms;
    }

    private async Task EnrolAsync(AgentsPlan plan, NodeIdentity identity)
    {
        await Parallel.ForAsync(0, plan.Connections, new ParallelOptions { MaxDegreeOfParallelism = 256, CancellationToken = arguments.Stop }, async (i, _) =>
        {
            AgentId id = AgentsPlan.IdOf(i);
            using Ed25519PrivateKey key = plan.KeyOf(i);
            byte[] proof = new byte[Ed25519PublicKey.SignatureBytes];
            key.Sign(KeyProof.BytesOf(id, plan.MeshId, key.PublicKey), proof);
            TokenGrant grant = new() { AgentId = id, Class = ImpedanceClass.Persistent, ValidUntil = identity.Now.PlusMs(3_600_000) };
            string token = await identity.Directory.IssueTokenAsync(grant, identity.Mesh, identity.Now).ConfigureAwait(false);
            EnrolResult result = await identity.Directory.EnrolAsync(
                token, id, key.PublicKey.ToString(), System.Buffers.Text.Base64Url.EncodeToString(proof), identity.Mesh, identity.Now).ConfigureAwait(false);
            if (result.Code is { } code) throw new InvalidOperationException($"{id} was not enrolled: {code}: {result.Why}");
        }).ConfigureAwait(false);
    }

    private static Process Start()
    {
        IReadOnlyList<string> program = MergeDriver.Program(static _ => null, Environment.ProcessPath);
        ProcessStartInfo start = new(program[0], [.. program.Skip(1), "bench", AgentsPlan.Verb]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove(MergeDriver.LauncherVariable);
        return Process.Start(start)!;
    }

    /// <summary>What is resident once everything that can go has gone.</summary>
    private static double ResidentMb()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
        return Environment.WorkingSet / (1024.0 * 1024.0);
    }
}
