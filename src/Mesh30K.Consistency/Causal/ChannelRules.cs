using Mesh30K.Consistency.Time;
using Push = Mesh30K.Consistency.Causal.ChannelCommand.Push;

namespace Mesh30K.Consistency.Causal;

/// <summary>What the fields of a command have to be like; null when they are.</summary>
internal static class ChannelRules
{
    public static ChannelReply? Refuse(Push push, ChannelOptions options)
    {
        if (Line("text", push.Text, options.TextCharsMax) is { } text) return text;
        if (string.IsNullOrWhiteSpace(push.Text)) return Invalid("the text is blank: say what is to be done");
        if (push.Agent is not null && Name("agent", push.Agent, options) is { } agent) return agent;
        if (push.Key is not null && Name("key", push.Key, options) is { } key) return key;
        if (push.AttemptsMax < 1) return Invalid($"{push.AttemptsMax} attempts; at least 1");
        if (push.DependsOn.Count > options.DependenciesMax) return Invalid($"{push.DependsOn.Count} dependencies; at most {options.DependenciesMax}");
        for (int d = 0; d < push.DependsOn.Count; d++)
        {
            if (push.DependsOn[d].Number is 0 or > ChannelFields.NumberMax) return Invalid("a dependency's number has to be from 1, with at most 18 digits");
        }
        if (push.Id is { Number: < 1 or > ChannelFields.NumberMax }) return Invalid("the number has to be from 1, with at most 18 digits");
        if (push.Ended is < EntryStatus.Done) return Invalid("an entry can be imported as done, failed or cancelled, or as still to be done");
        if (push.Result is not null && push.Ended is null) return Invalid("only an entry that has ended has a result");
        if (push.Result is not null && Line("result", push.Result, options.TextCharsMax) is { } result) return result;
        foreach (Dot seen in push.Clock is null ? [] : push.Clock.Dots)
        {
            if (seen.Number > ChannelFields.NumberMax) return Invalid("a number of the clock has more than 18 digits");
        }
        return null;
    }

    public static ChannelReply? Line(string what, string text, int charsMax)
    {
        if (text.Length > charsMax) return Invalid($"the {what} has {text.Length} characters; at most {charsMax}");
        return ChannelFields.IsLine(text) ? null : Invalid($"the {what} has a line break, another control character or half a surrogate pair; one line of text, please");
    }

    public static ChannelReply? Name(string what, string name, ChannelOptions options) =>
        string.IsNullOrWhiteSpace(name) ? Invalid($"the {what} is blank") : Line(what, name, options.NameCharsMax);

    public static ChannelReply? Lease(TimeSpan lease, ChannelOptions options) =>
        lease > TimeSpan.Zero && lease <= options.DelayMax ? null : Invalid($"a lease of {lease}; more than nothing, at most {options.DelayMax}");

    public static ChannelReply? Claim(string agent, TimeSpan lease, int limit, ChannelOptions options)
    {
        if (limit < 1 || limit > options.ClaimMax) return Invalid($"a claim of {limit}; 1 to {options.ClaimMax}");
        return Name("agent", agent, options) ?? Lease(lease, options);
    }

    public static ChannelReply Invalid(string message) => Channel.Refusal(ChannelOutcome.Invalid, message);
}
