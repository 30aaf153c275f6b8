using System.CommandLine;

namespace Mesh30K.Cli.Commands;

/// <summary>
/// Prints a completion script. The scripts hold no list of verbs: they ask <c>mesh "[suggest:position]" "line"</c>, so they never go stale.
/// </summary>
public sealed class CompletionCommand : VerbCommand
{
    private const string Bash = """
        # mesh completion for bash. Load it with: eval "$(mesh completion bash)"
        _mesh_complete() {
            local word="${COMP_WORDS[COMP_CWORD]}" line
            COMPREPLY=()
            while IFS= read -r line; do
                [[ -n $line && $line == "$word"* ]] && COMPREPLY+=("$line")
            done < <(mesh "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)
        }
        complete -o default -F _mesh_complete mesh
        """;

    private const string Zsh = """
        #compdef mesh
        # mesh completion for zsh. Load it with: eval "$(mesh completion zsh)"
        _mesh_complete() {
            local -a found
            found=("${(@f)$(mesh "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            compadd -- ${found:#}
        }
        compdef _mesh_complete mesh
        """;

    private const string Fish = """
        # mesh completion for fish. Load it with: mesh completion fish | source
        function __mesh_complete
            set -l line (commandline)
            mesh "[suggest:"(commandline --cursor)"]" "$line" 2>/dev/null
        end
        complete --command mesh --arguments '(__mesh_complete)'
        """;

    private readonly Argument<string> _shell = new("shell") { Description = "bash, zsh or fish" };

    public CompletionCommand()
        : base("completion", "Print a script that completes mesh commands in a shell")
    {
        _shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        Add(_shell);
    }

    public override IReadOnlyList<string> Examples { get; } =
        ["eval \"$(mesh completion bash)\"", "mesh completion fish | source"];

    public override Task<ExitCode> RunAsync(VerbRun run)
    {
        string name = run.Parse.GetRequiredValue(_shell);
        string script = name switch { "bash" => Bash, "zsh" => Zsh, _ => Fish };
        run.Output.ResultText(new CompletionResult(name, script), script);
        return Task.FromResult(ExitCode.Ok);
    }

    private sealed record CompletionResult(string Shell, string Script);
}
