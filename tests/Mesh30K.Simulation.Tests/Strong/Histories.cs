using System.Globalization;
using System.Text;
using Mesh30K.Simulation.Strong;

namespace Mesh30K.Simulation.Tests.Strong;

/// <summary>Histories for tests: written as short lines, made by a simulated register, and tried in every order.</summary>
internal static class Histories
{
    /// <summary>
    /// One operation a line: <c>CALL-RETURN client op</c>, where the operation is <c>x=1</c> (put), <c>x?1</c> (get read 1), <c>x:1&gt;2</c> (cas). <c>-</c> is no value.
    /// Then <c>fail</c> (with what a cas found, or nothing) or <c>unknown</c>; no return is <c>CALL-</c>.
    /// </summary>
    public static HistoryOperation[] Of(params string[] lines) => [.. lines.Select((text, i) => Parse(text, i + 1))];

    public static string Show(IEnumerable<HistoryOperation> operations) => string.Join('\n', operations.Select(o => $"{o.CallNs}-{o.ReturnNs} {o}"));

    /// <summary>A correct register under clients whose answers get lost: every operation takes place at one moment, if at all.</summary>
    public static List<HistoryOperation> Random(Random random, int operations, int clients, int keys, int values, int lostIn100)
    {
        List<(long At, int Index)> moments = [];
        HistoryOperation[] made = new HistoryOperation[operations];
        long[] free = new long[clients];
        for (int i = 0; i < operations; i++)
        {
            int client = random.Next(clients);
            long call = free[client] + random.Next(10);
            long at = call + random.Next(10);
            long end = at + random.Next(10);
            free[client] = end + 1;
            bool isLost = random.Next(100) < lostIn100;
            if (isLost) at = call + random.Next(4) switch { 0 => -1, 1 => random.Next(200), _ => random.Next(10) }; // never, late, or before the client gave up
            if (at >= call) moments.Add((at, i));
            made[i] = new HistoryOperation(
                i + 1, client, (HistoryOp)random.Next(3), "k" + random.Next(keys).ToString(CultureInfo.InvariantCulture), null, null, call, isLost && random.Next(2) == 0 ? null : end,
                isLost ? HistoryOutcome.Unknown : HistoryOutcome.Ok, null);
        }
        Dictionary<string, string?> registers = [];
        string? Any() => random.Next(values + 1) is > 0 and int value ? value.ToString(CultureInfo.InvariantCulture) : null;
        for (int i = 0; i < operations; i++)
        {
            if (made[i].Op != HistoryOp.Get) made[i] = made[i] with { Value = Any(), Expected = made[i].Op == HistoryOp.Cas ? Any() : null };
        }
        foreach ((long _, int index) in moments.Order()) made[index] = Answered(made[index], registers, random);
        return [.. made];
    }

    /// <summary>Changes a few fields, such that it stays a history.</summary>
    public static List<HistoryOperation> Mutated(Random random, List<HistoryOperation> history, int values)
    {
        List<HistoryOperation> changed = [.. history];
        string? Any() => random.Next(values + 1) is > 0 and int value ? value.ToString(CultureInfo.InvariantCulture) : null;
        for (int times = 1 + random.Next(3); times > 0 && changed.Count > 0; times--)
        {
            int i = random.Next(changed.Count);
            HistoryOperation o = changed[i];
            changed[i] = random.Next(4) switch
            {
                0 when o is { Op: HistoryOp.Get, Outcome: HistoryOutcome.Ok } => o with { Output = Any() },
                1 when o.Op != HistoryOp.Get && o.Outcome != HistoryOutcome.Fail => o with { Value = Any() },
                2 when o.ReturnNs is { } end => o with { ReturnNs = o.CallNs + random.Next((int)(end - o.CallNs) + 1) },
                _ => o with { CallNs = Math.Max(0, o.CallNs - random.Next(5)) },
            };
            if (random.Next(10) == 0) changed.RemoveAt(random.Next(changed.Count));
        }
        return changed;
    }

    /// <summary>Whether there is an order of one register's operations, by trying all. Those that return after <paramref name="until"/> may be left out.</summary>
    public static bool HasOrder(IReadOnlyList<HistoryOperation> operations, long until = long.MaxValue)
    {
        List<HistoryOperation> left = [.. operations.Where(o => o.CallNs <= until && Says(o))];
        return HasOrder(left, null, until);
    }

    private static bool HasOrder(List<HistoryOperation> left, string? value, long until)
    {
        if (left.All(o => !MustStand(o, until))) return true;
        foreach (HistoryOperation next in left.ToList())
        {
            if (left.Exists(o => MustStand(o, until) && o.ReturnNs < next.CallNs)) continue; // that one has to come first
            if (!After(next, value, out string? then)) continue;
            List<HistoryOperation> rest = [.. left.Where(o => o != next)];
            if (HasOrder(rest, then, until)) return true;
        }
        return false;
    }

    private static bool MustStand(HistoryOperation o, long until) => o.Outcome != HistoryOutcome.Unknown && o.ReturnNs <= until;

    private static bool Says(HistoryOperation o) =>
        o.Outcome == HistoryOutcome.Ok || (o.Outcome == HistoryOutcome.Unknown && o.Op != HistoryOp.Get) || (o.Outcome == HistoryOutcome.Fail && o.Op == HistoryOp.Cas);

    private static bool After(HistoryOperation o, string? value, out string? then)
    {
        then = o.Outcome == HistoryOutcome.Fail || o.Op == HistoryOp.Get ? value : o.Value;
        return o.Op switch
        {
            HistoryOp.Get => o.Output == value,
            HistoryOp.Put => true,
            _ when o.Outcome == HistoryOutcome.Fail => value != o.Expected && (o.Output is null || o.Output == value),
            _ => value == o.Expected,
        };
    }

    private static HistoryOperation Answered(HistoryOperation o, Dictionary<string, string?> registers, Random random)
    {
        string? value = registers.GetValueOrDefault(o.Key);
        bool isKnown = o.Outcome == HistoryOutcome.Ok;
        if (o.Op == HistoryOp.Get) return isKnown ? o with { Output = value } : o;
        if (o.Op == HistoryOp.Cas && value != o.Expected) return isKnown ? o with { Outcome = HistoryOutcome.Fail, Output = random.Next(2) == 0 ? value : null } : o;
        if (o.Op == HistoryOp.Put && isKnown && random.Next(10) == 0) return o with { Outcome = HistoryOutcome.Fail }; // refused
        registers[o.Key] = o.Value;
        return o;
    }

    private static HistoryOperation Parse(string text, int line)
    {
        string[] parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string[] times = parts[0].Split('-');
        string what = parts[2];
        int at = what.IndexOfAny(['=', '?', ':']);
        string rest = what[(at + 1)..];
        HistoryOutcome outcome = parts.Length == 3 ? HistoryOutcome.Ok : parts[3] == "fail" ? HistoryOutcome.Fail : HistoryOutcome.Unknown;
        HistoryOperation operation = new(
            line, long.Parse(parts[1], CultureInfo.InvariantCulture), HistoryOp.Get, what[..at], null, null, long.Parse(times[0], CultureInfo.InvariantCulture),
            times[1].Length == 0 ? null : long.Parse(times[1], CultureInfo.InvariantCulture), outcome, parts.Length > 4 ? parts[4] : null);
        return what[at] switch
        {
            '=' => operation with { Op = HistoryOp.Put, Value = Value(rest) },
            '?' => operation with { Output = Value(rest) },
            _ => operation with { Op = HistoryOp.Cas, Expected = Value(rest.Split('>')[0]), Value = Value(rest.Split('>')[1]) },
        };
    }

    private static string? Value(string text) => text == "-" ? null : text;

    public static byte[] Line(HistoryOperation o) => Encoding.UTF8.GetBytes(System.Text.Json.JsonSerializer.Serialize(new Dictionary<string, object?>(StringComparer.Ordinal)
    {
        ["client"] = o.Client,
        ["op"] = o.Op.ToString().ToLowerInvariant(),
        ["key"] = o.Key,
        ["value"] = o.Value,
        ["expected"] = o.Expected,
        ["call"] = o.CallNs,
        ["return"] = o.ReturnNs,
        ["outcome"] = o.Outcome.ToString().ToLowerInvariant(),
        ["output"] = o.Output,
    }));
}
