using System.CommandLine;
using System.Text;
using Mesh30K.Cli.Commands;

namespace Mesh30K.Cli.Output;

/// <summary>The help of a command as plain text: usage, arguments, verbs, options, examples, exit codes.</summary>
internal static class HelpText
{
    private const string RootName = "mesh";

    public static string For(Command command)
    {
        StringBuilder text = new();
        text.AppendLine(command.Description).AppendLine();
        text.AppendLine("Usage:").Append("  ").AppendLine(UsageOf(command));
        Section(text, "Arguments", command.Arguments.Where(a => !a.Hidden).Select(a => ($"<{a.Name}>", a.Description)));
        Section(text, "Verbs", command.Subcommands.Where(c => !c.Hidden).Select(c => (c.Name, c.Description)));
        Section(text, "Options", OptionsOf(command).Where(o => !o.Hidden).Select(o => (LabelOf(o), AboutOf(o))));
        if (command is VerbCommand verb)
        {
            text.AppendLine().AppendLine("Examples:");
            foreach (string example in verb.Examples) text.Append("  ").AppendLine(example);
        }
        else
        {
            text.AppendLine().AppendLine($"`{PathOf(command)} <verb> --help` shows a verb's options and examples.");
        }
        if (command is RootCommand)
            text.AppendLine().AppendLine("Exit codes: 0 done, 1 answer is no, 2 wrong input, 3 node unreachable or refused, 4 bug in mesh, 130 interrupted.");
        return text.ToString();
    }

    /// <summary>What the user types to get to <paramref name="command"/>.</summary>
    public static string PathOf(Command command)
    {
        if (command is RootCommand) return RootName;
        Command? parent = command.Parents.OfType<Command>().FirstOrDefault();
        return (parent is null ? RootName : PathOf(parent)) + " " + command.Name;
    }

    /// <summary>The command's own options, then those that every command has.</summary>
    public static IEnumerable<Option> OptionsOf(Command command)
    {
        IEnumerable<Option> inherited = command.Parents.OfType<Command>().SelectMany(OptionsOf).Where(o => o.Recursive);
        return command.Options.Concat(inherited).Distinct();
    }

    private static string UsageOf(Command command)
    {
        StringBuilder usage = new(PathOf(command));
        if (command.Subcommands.Count > 0) usage.Append(" <verb>");
        foreach (Argument argument in command.Arguments.Where(a => !a.Hidden))
        {
            string name = argument.Arity.MaximumNumberOfValues > 1 ? $"<{argument.Name}>..." : $"<{argument.Name}>";
            usage.Append(' ').Append(argument.Arity.MinimumNumberOfValues == 0 ? $"[{name}]" : name);
        }
        return usage.Append(" [options]").ToString();
    }

    private static string LabelOf(Option option)
    {
        string names = string.Join(", ", option.Aliases.Where(a => a.StartsWith('-')).Prepend(option.Name).Distinct(StringComparer.Ordinal));
        if (option.ValueType == typeof(bool) || option.Arity.MaximumNumberOfValues == 0) return names;
        return $"{names} <{option.HelpName ?? option.Name.TrimStart('-')}>{(option.Required ? " (required)" : "")}";
    }

    private static string? AboutOf(Option option)
    {
        if (!option.HasDefaultValue || option.ValueType == typeof(bool) || option.GetDefaultValue() is not { } value) return option.Description;
        return option.Description + FormattableString.Invariant($" (default: {value})");
    }

    private static void Section(StringBuilder text, string title, IEnumerable<(string Label, string? About)> rows)
    {
        List<(string Label, string? About)> list = [.. rows];
        if (list.Count == 0) return;
        int width = Math.Min(32, list.Max(r => r.Label.Length));
        text.AppendLine().Append(title).AppendLine(":");
        foreach ((string label, string? about) in list) text.Append("  ").Append(label.PadRight(width)).Append("  ").AppendLine(about);
    }
}
