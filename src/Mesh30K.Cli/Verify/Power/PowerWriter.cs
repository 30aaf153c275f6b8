using System.Runtime.CompilerServices;

namespace Mesh30K.Cli.Verify.Power;

/// <summary>Appends to a log until its disk fails, and tells of each entry that was acknowledged.</summary>
internal static class PowerWriter
{
    private const int WindowMax = 24;

    /// <summary>Entries of one life at full speed; then one at a time, so that no disk fills up while somebody is slow to cut its power.</summary>
    private const int AtFullSpeed = 3_000;

    /// <summary>Back with the words of the disk when it failed.</summary>
    /// <param name="acknowledged">Told in order: all entries up to that one.</param>
    public static async Task<string> RunAsync(PowerLogs logs, PowerLogKind kind, string folder, int seed, Action<long> acknowledged)
    {
        try
        {
            IPowerLog log = await logs.OpenAsync(kind, folder, seed).ConfigureAwait(false);
            await using ConfiguredAsyncDisposable closed = log.ConfigureAwait(false);
            Queue<(long Number, Task Done)> underWay = [];
            for (long n = log.Count + 1; ; n++)
            {
                underWay.Enqueue((n, log.AppendAsync(n)));
                bool isFast = n - log.Count < AtFullSpeed;
                int window = isFast ? 1 + (int)(n / 7 % WindowMax) : 1;
                while (underWay.TryPeek(out (long Number, Task Done) first) && (first.Done.IsCompleted || underWay.Count >= window))
                {
                    underWay.Dequeue();
                    await first.Done.ConfigureAwait(false);
                    acknowledged(first.Number);
                }
                if (!isFast) await Task.Delay(5).ConfigureAwait(false);
            }
        }
        catch (IOException failed)
        {
            return failed.Message.ReplaceLineEndings(" ");
        }
    }
}
