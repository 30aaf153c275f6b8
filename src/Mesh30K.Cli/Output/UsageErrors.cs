using System.CommandLine;

namespace Mesh30K.Cli.Output;

/// <summary>Turns the parser's complaints into one error with a suggestion.</summary>
internal static class UsageErrors
{
    /// <summary>Explains why <paramref name="parse"/> cannot be run. The first cause wins: what follows from it would only confuse.</summary>
    public static CliError Explain(ParseResult parse)
    {
        Command command = parse.CommandResult.Command;
        string path = HelpText.PathOf(command);
        string help = $"See `{path} --help`.";
        if (parse.UnmatchedTokens.Count > 0) return ExplainUnknown(command, parse.UnmatchedTokens[0], path, help);
        if (command.Subcommands.Count > 0) return new CliError(ExitCode.Usage, "verb_missing", $"{path} needs a verb: {ListOf(Names(command))}", help);
        if (command.Arguments.FirstOrDefault(a => a.Arity.MinimumNumberOfValues > 0 && parse.GetResult(a) is null or { Tokens.Count: 0 }) is { } missing)
            return new CliError(ExitCode.Usage, "argument_missing", $"{path} needs <{missing.Name}>: {missing.Description}", help);
        if (WrongNumber(parse, command) is { } number) return new CliError(ExitCode.Usage, "bad_value", number, help);
        string[] words = parse.Errors[0].Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return new CliError(ExitCode.Usage, "usage", string.Join(' ', words), help);
    }

    /// <summary>The parser's own message would name the type of the option as the program has it.</summary>
    private static string? WrongNumber(ParseResult parse, Command command)
    {
        foreach (Option option in HelpText.OptionsOf(command))
        {
            if (parse.GetResult(option) is not { Tokens.Count: 1 } given || !given.Errors.Any()) continue;
            Type type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
            string? right = type == typeof(int) ? $"a whole number of at most {int.MaxValue}"
                : type == typeof(long) ? $"a whole number of at most {long.MaxValue}"
                : type == typeof(ulong) ? $"a whole number from 0 to {ulong.MaxValue}"
                : type == typeof(double) ? "a number such as 2.5"
                : null;
            if (right is not null) return $"{option.Name} must be {right}, was {given.Tokens[0].Value}";
        }
        return null;
    }

    private static CliError ExplainUnknown(Command command, string token, string path, string help)
    {
        if (token.StartsWith('-'))
        {
            IEnumerable<string> options = HelpText.OptionsOf(command).Select(o => o.Name);
            return new CliError(ExitCode.Usage, "unknown_option", $"unknown option \"{token}\" for {path}", Join(Nearest.Question(token, options), help));
        }
        return command.Subcommands.Count > 0
            ? new CliError(ExitCode.Usage, "unknown_verb", $"unknown verb \"{token}\"", Join(Nearest.Question(token, Names(command)), help))
            : new CliError(ExitCode.Usage, "unexpected_argument", $"{path} does not take \"{token}\"", help);
    }

    private static IEnumerable<string> Names(Command command) => command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name);

    private static string ListOf(IEnumerable<string> names) => string.Join(", ", names);

    private static string Join(string? first, string second) => first is null ? second : first + " " + second;
}
