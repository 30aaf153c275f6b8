namespace Mesh30K.Simulation.Strong;

/// <summary>What a client asked of a register.</summary>
public enum HistoryOp
{
    /// <summary>Its value.</summary>
    Get,

    /// <summary>To hold a value, whatever it held.</summary>
    Put,

    /// <summary>To hold a value if it holds the expected one.</summary>
    Cas,
}

/// <summary>What the client knows of an operation.</summary>
public enum HistoryOutcome
{
    /// <summary>It took place.</summary>
    Ok,

    /// <summary>It surely changed nothing. Of a cas: because the value differed from the expected one.</summary>
    Fail,

    /// <summary>It took place at some moment after its call, or will, or never.</summary>
    Unknown,
}

/// <summary>One operation of a history, as in docs/guide/histories.md. A null value is a register without a value, which each is in the beginning.</summary>
/// <param name="Line">Where it stands in its file, from 1: names it in what is reported.</param>
/// <param name="Client">Who asked.</param>
/// <param name="Op">What for.</param>
/// <param name="Key">Of which register.</param>
/// <param name="Value">What a put or cas writes; null removes the value.</param>
/// <param name="Expected">What a cas expects.</param>
/// <param name="CallNs">When it was asked, on a clock that all clients share.</param>
/// <param name="ReturnNs">When the answer came; null when none did.</param>
/// <param name="Outcome">The answer.</param>
/// <param name="Output">What a get read; what a failed cas found, null when that was not told.</param>
public sealed record HistoryOperation(
    int Line, long Client, HistoryOp Op, string Key, string? Value, string? Expected, long CallNs, long? ReturnNs, HistoryOutcome Outcome, string? Output)
{
    /// <summary>For people: <c>client 3 cas x 1→2 ok</c>.</summary>
    public override string ToString()
    {
        string what = Op switch
        {
            HistoryOp.Get => Outcome == HistoryOutcome.Ok ? $"get {Key} = {Show(Output)}" : $"get {Key}",
            HistoryOp.Put => $"put {Key} {Show(Value)}",
            _ => $"cas {Key} {Show(Expected)} → {Show(Value)}",
        };
        string found = Op == HistoryOp.Cas && Output is not null ? $", found {Show(Output)}" : "";
        return $"client {Client} {what}: {Outcome.ToString().ToLowerInvariant()}{found}";
    }

    /// <summary>For people: a value in quotes, cut at 40 characters, or that there is none.</summary>
    public static string Show(string? value) => value is null ? "nothing" : value.Length <= 40 ? $"\"{value}\"" : $"\"{value[..40]}…\"";
}
