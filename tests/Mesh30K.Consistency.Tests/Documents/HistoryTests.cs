using System.Globalization;
using Mesh30K.Consistency.Documents;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>
/// Random histories of several branches. <c>MESH_HISTORY_RUNS=20000</c> runs more of them, <c>MESH_HISTORY_SEED=17</c> replays one.
/// </summary>
public sealed class HistoryTests
{
    [Theory]
    [InlineData(DocumentType.Queue, false)]
    [InlineData(DocumentType.Queue, true)]
    [InlineData(DocumentType.Heartbeats, false)]
    [InlineData(DocumentType.Heartbeats, true)]
    [InlineData(DocumentType.Facts, false)]
    [InlineData(DocumentType.Facts, true)]
    [InlineData(DocumentType.Log, false)]
    [InlineData(DocumentType.Log, true)]
    public void Nothing_is_lost_or_doubled(DocumentType type, bool picks)
    {
        foreach (int seed in Seeds())
        {
            HistoryRun run = new(type, seed, picks);
            try
            {
                run.Go();
            }
            catch (Exception exception)
            {
                Assert.Fail($"replay: MESH_HISTORY_SEED={seed} ({type}, picks: {picks})\n{exception.Message}\n{run.Transcript}");
            }
        }
    }

    private static IEnumerable<int> Seeds()
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("MESH_HISTORY_SEED"), CultureInfo.InvariantCulture, out int one)) return [one];
        return Enumerable.Range(1, int.TryParse(Environment.GetEnvironmentVariable("MESH_HISTORY_RUNS"), CultureInfo.InvariantCulture, out int runs) ? runs : 100);
    }
}
