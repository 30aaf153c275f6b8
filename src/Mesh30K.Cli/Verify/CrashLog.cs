using System.Diagnostics;
using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;

namespace Mesh30K.Cli.Verify;

/// <summary>What a worker was told had been done.</summary>
internal enum CrashAct
{
    Push,
    Claim,
    Checkpoint,
    Complete,
}

/// <summary>
/// One acknowledgement. The times are of the machine's monotonic clock, the same in all its processes: just before the request, and just after the
/// acknowledgement.
/// </summary>
/// <param name="Mark">Of a claim the checkpoint that came with it, of a checkpoint what was recorded; 0 for none.</param>
/// <param name="On">Of a push what the entry depends on; 0 for nothing.</param>
internal readonly record struct CrashLine(CrashAct Act, long From, long To, long Id, long Token, CrashMark Mark, long On)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Act} {From} {To} {Id} {Token} {Mark.Token} {Mark.Number} {On}");

    /// <summary>Reads the form above; throws for anything else.</summary>
    public static CrashLine Parse(string line)
    {
        string[] parts = line.Split(' ');
        long At(int i) => long.Parse(parts[i], CultureInfo.InvariantCulture);
        return new CrashLine(Enum.Parse<CrashAct>(parts[0]), At(1), At(2), At(3), At(4), new CrashMark(At(5), At(6)), At(7));
    }
}

/// <summary>The content of a checkpoint: under which claim it was recorded, and the how many-th of it. A later one is larger.</summary>
internal readonly record struct CrashMark(long Token, long Number) : IComparable<CrashMark>
{
    public int CompareTo(CrashMark other) => Token != other.Token ? Token.CompareTo(other.Token) : Number.CompareTo(other.Number);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Token}.{Number}");

    public static CrashMark Parse(string? text)
    {
        if (text is null) return default;
        string[] parts = text.Split('.');
        return new CrashMark(long.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture));
    }
}

/// <summary>A worker's acknowledgements, one file a worker; a line is with the kernel before the worker goes on, so a SIGKILL does not take it.</summary>
internal sealed class CrashLog(string path) : IDisposable
{
    private readonly FileStream _file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);

    public void Add(CrashAct act, long from, ChannelEntry entry, CrashMark mark = default)
    {
        long on = entry.DependsOn is [Dot first, ..] ? first.Number : 0;
        _file.Write(Encoding.UTF8.GetBytes(new CrashLine(act, from, Stopwatch.GetTimestamp(), entry.Id.Number, entry.Token, mark, on) + "\n"));
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Every whole line of every log in a folder.</summary>
    public static List<CrashLine> ReadAll(string folder)
    {
        List<CrashLine> lines = [];
        foreach (string file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            string text = File.ReadAllText(file);
            int whole = text.LastIndexOf('\n') + 1; // the rest is of a worker that died while it wrote it
            lines.AddRange(text[..whole].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(CrashLine.Parse));
        }
        return lines;
    }
}
