namespace Mesh30K.Simulation.Strong;

/// <summary>What an operation says of its register, with values as numbers; 0 is no value.</summary>
internal enum RegisterStep
{
    /// <summary>It holds the value <see cref="RegisterOperation.Expected"/>; nothing changes.</summary>
    Holds,

    /// <summary>It does not hold the value <see cref="RegisterOperation.Expected"/>; nothing changes.</summary>
    Differs,

    /// <summary>Whatever it held, it holds <see cref="RegisterOperation.Written"/> now.</summary>
    Write,

    /// <summary>It held <see cref="RegisterOperation.Expected"/> and holds <see cref="RegisterOperation.Written"/>, another value, now.</summary>
    Swap,
}

/// <summary>One operation that surely took place between two moments.</summary>
internal readonly record struct RegisterOperation(RegisterStep Step, int Expected, int Written, long CallNs, long ReturnNs, HistoryOperation Source)
{
    /// <summary>Whether it leaves the register as it is, wherever it may stand.</summary>
    public bool IsObservation => Step <= RegisterStep.Differs;

    public bool Fits(int value) => Step switch
    {
        RegisterStep.Write => true,
        RegisterStep.Differs => value != Expected,
        _ => value == Expected,
    };
}

/// <summary>
/// Operations that may have taken place at any moment after their call, or never, and are alike but for that moment. One that was called earlier can stand wherever a
/// later one can, so they are used in the order of their calls, and a number tells which are used.
/// </summary>
internal sealed record UnknownWrites(RegisterStep Step, int Expected, int Written, long[] CallsNs)
{
    public bool Fits(int value) => Step == RegisterStep.Write || value == Expected;
}

/// <summary>The history of one register, as the search needs it: what says nothing is left out.</summary>
internal sealed class RegisterHistory
{
    private readonly Dictionary<string, int> _numbers = [];
    private readonly List<string?> _values = [null];

    public RegisterHistory(IReadOnlyList<HistoryOperation> operations)
    {
        List<RegisterOperation> known = [];
        List<RegisterOperation> unknown = [];
        foreach (HistoryOperation operation in operations)
        {
            if (operation.Outcome == HistoryOutcome.Unknown && operation.Op != HistoryOp.Get) unknown.Add(Made(operation));
            else if (operation.Outcome == HistoryOutcome.Ok || (operation is { Op: HistoryOp.Cas, Outcome: HistoryOutcome.Fail })) known.Add(Made(operation));
        }
        Known = [.. known.OrderBy(o => o.CallNs).ThenBy(o => o.Source.Line)];
        Unknown = Useful(unknown);
    }

    /// <summary>By call.</summary>
    public RegisterOperation[] Known { get; }

    public UnknownWrites[] Unknown { get; }

    public string? ValueOf(int number) => _values[number];

    private RegisterOperation Made(HistoryOperation operation)
    {
        (RegisterStep step, string? expected, string? written) = operation switch
        {
            { Op: HistoryOp.Get } => (RegisterStep.Holds, operation.Output, null),
            { Op: HistoryOp.Put } => (RegisterStep.Write, null, operation.Value),
            { Outcome: HistoryOutcome.Fail, Output: { } found } => (RegisterStep.Holds, found, null),
            { Outcome: HistoryOutcome.Fail } => (RegisterStep.Differs, operation.Expected, null),
            _ when operation.Expected == operation.Value => (RegisterStep.Holds, operation.Expected, null),
            _ => (RegisterStep.Swap, operation.Expected, operation.Value),
        };
        return new RegisterOperation(step, NumberOf(expected), NumberOf(written), operation.CallNs, operation.ReturnNs ?? long.MaxValue, operation);
    }

    /// <summary>
    /// A write of unknown outcome matters only when something looks for its value. Whoever looks for none of them is served as well when it never took place; but
    /// one that only saw that a value differs may have seen any.
    /// </summary>
    private UnknownWrites[] Useful(List<RegisterOperation> unknown)
    {
        HashSet<int> wanted = [.. Known.Where(o => o.Step is RegisterStep.Holds or RegisterStep.Swap).Select(o => o.Expected)];
        wanted.UnionWith(unknown.Where(o => o.Step == RegisterStep.Swap).Select(o => o.Expected));
        bool anyIsWanted = Array.Exists(Known, o => o.Step == RegisterStep.Differs);
        return [.. unknown.Where(o => !o.IsObservation && (anyIsWanted || wanted.Contains(o.Written)))
            .GroupBy(o => (o.Step, o.Expected, o.Written))
            .OrderBy(g => g.Key.Written).ThenBy(g => g.Key.Step).ThenBy(g => g.Key.Expected)
            .Select(g => new UnknownWrites(g.Key.Step, g.Key.Expected, g.Key.Written, [.. g.Select(o => o.CallNs).Order()]))];
    }

    private int NumberOf(string? value)
    {
        if (value is null) return 0;
        if (_numbers.TryGetValue(value, out int number)) return number;
        _values.Add(value);
        return _numbers[value] = _values.Count - 1;
    }
}
