using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Mesh30K.Consistency.Strong.Effects;
using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger;
using Mesh30K.Protocol.Json;

namespace Mesh30K.Cli.Verify;

/// <summary>One of the processes of <c>mesh verify effects</c> that are killed: has each effect run once, in an order of its own, until it has seen all of them end.</summary>
internal sealed class EffectsWorker(string ledgerFolder, int port, string name, int effects, int seed)
{
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(1);

    private readonly Random _random = new(seed);

    public static string KeyOf(int effect) => string.Create(CultureInfo.InvariantCulture, $"{(effect % 2 == 0 ? "h" : "p")}{effect}");

    public async Task RunAsync(CancellationToken stop)
    {
        FolderLedger ledger = FolderLedger.Open(ledgerFolder, new FolderLedgerOptions { CompactBytes = 64 << 10 });
        await using (ledger.ConfigureAwait(false))
        {
            EffectRunner runner = new(ledger);
            List<int> open = [.. Enumerable.Range(0, effects)];
            while (open.Count > 0)
            {
                int at = _random.Next(open.Count);
                string key = KeyOf(open[at]);
                EffectRequest request = new("verify", key, PayloadHash.Of(Encoding.UTF8.GetBytes(key)), EffectSinkServer.Honours(key)) { Lease = Lease };
                EffectResult result = await runner.RunAsync(request, SendAsync, stop).ConfigureAwait(false);
                if (result.Ending is EffectEnding.Done or EffectEnding.Abandoned) open.RemoveAt(at);
                else await Task.Delay(_random.Next(5, 50), stop).ConfigureAwait(false);
            }
        }
    }

    private async Task<EffectOutcome> SendAsync(EffectContext context, CancellationToken cancel)
    {
        try
        {
            string answer = await EffectSinkServer.SendAsync(port, context.Request.Key, string.Create(CultureInfo.InvariantCulture, $"{name}/{context.Epoch}"), name, cancel).ConfigureAwait(false);
            return new EffectOutcome(EffectReport.Done, Encoding.UTF8.GetBytes(answer));
        }
        catch (Exception broken) when (broken is IOException or SocketException)
        {
            return new EffectOutcome(null, default, broken.Message);
        }
    }
}
