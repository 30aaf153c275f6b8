using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Mesh30K.Cli.Client;

namespace Mesh30K.Cli.Queue;

/// <summary>
/// The command that does one task, as a child process: the task on its stdin, its output kept as far as a result may be long. Disposed, it and what it
/// started are dead.
/// </summary>
internal sealed class TaskChild : IDisposable
{
    /// <summary>Characters of the output that are kept: its end.</summary>
    private const int OutputCharsMax = 4_096;

    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _error;

    private TaskChild(Process process)
    {
        _process = process;
        _output = TailAsync(process.StandardOutput);
        _error = TailAsync(process.StandardError);
    }

    /// <summary>Starts it. Throws a <see cref="CliException"/> when there is no such command.</summary>
    public static async Task<TaskChild> StartAsync(IReadOnlyList<string> command, string workingDirectory, IReadOnlyDictionary<string, string> environment, string input)
    {
        ProcessStartInfo start = new(command[0], command.Skip(1))
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardInput = true,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        TaskChild child;
        try
        {
            child = new TaskChild(Process.Start(start)!);
        }
        catch (Win32Exception missing)
        {
            throw new CliException(new CliError(ExitCode.Usage, "no_command", $"cannot start {command[0]}: {missing.Message}", "Give the command after --, for example: -- ./do-task.sh"));
        }
        try
        {
            await child._process.StandardInput.WriteAsync(input).ConfigureAwait(false);
            child._process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It does not read its input.
        }
        return child;
    }

    /// <summary>Waits for its end, at most so long; false when it still runs.</summary>
    public async Task<bool> EndedAsync(TimeSpan atMost, CancellationToken stop)
    {
        try
        {
            await _process.WaitForExitAsync(stop).WaitAsync(atMost, stop).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>How it ended: its exit code, and its output and error as one line each.</summary>
    public async Task<(int ExitCode, string Output, string Error)> ResultAsync() =>
        (_process.ExitCode, await _output.ConfigureAwait(false), await _error.ConfigureAwait(false));

    public void Dispose()
    {
        try
        {
            if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        }
        catch (Exception gone) when (gone is InvalidOperationException or Win32Exception)
        {
            // It ended meanwhile.
        }
        _process.Dispose();
    }

    private static async Task<string> TailAsync(StreamReader reader)
    {
        StringBuilder tail = new();
        char[] buffer = new char[4_096];
        int read;
        while ((read = await reader.ReadAsync(buffer).ConfigureAwait(false)) > 0)
        {
            tail.Append(buffer, 0, read);
            if (tail.Length > 2 * OutputCharsMax) tail.Remove(0, tail.Length - OutputCharsMax);
        }
        string text = tail.ToString().Trim();
        return Line(text.Length > OutputCharsMax ? text[^OutputCharsMax..] : text);
    }

    /// <summary>As a result, reason or checkpoint may be: one line, no half characters.</summary>
    public static string Line(string text) => Plain.Line(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)), OutputCharsMax);
}
