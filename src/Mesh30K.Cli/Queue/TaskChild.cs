using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Mesh30K.Cli.Client;
using Mesh30K.Cli.Commands;
using Mesh30K.Cli.Execution;

namespace Mesh30K.Cli.Queue;

/// <summary>
/// The command that does one task, as a child process: the task on its stdin, the end of its output and error kept. Disposed, it and what it started are dead.
/// </summary>
internal sealed class TaskChild : IDisposable
{
    /// <summary>Characters of a line that is made of the output's end.</summary>
    private const int OutputCharsMax = 4_096;

    private readonly Process _process;
    private readonly OutputTail _output;
    private readonly OutputTail _error;

    private TaskChild(Process process, int outputCharsMax)
    {
        _process = process;
        _output = new OutputTail(process.StandardOutput, outputCharsMax);
        _error = new OutputTail(process.StandardError, OutputCharsMax);
    }

    /// <summary>Starts it, in this process's environment without the secret that an agent enrols with. Throws a <see cref="CliException"/> when there is no such command.</summary>
    /// <param name="outputCharsMax">Characters of the output that are kept: its end.</param>
    public static TaskChild Start(
        IReadOnlyList<string> command, string workingDirectory, IReadOnlyDictionary<string, string> environment, string input, int outputCharsMax = OutputCharsMax)
    {
        ProcessStartInfo start = new(command[0], command.Skip(1))
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardInput = true,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove(AgentRunCommand.TokenVariable);
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        TaskChild child;
        try
        {
            child = new TaskChild(Process.Start(start)!, outputCharsMax);
        }
        catch (Win32Exception missing)
        {
            throw new CliException(new CliError(ExitCode.Usage, "no_command", $"cannot start {command[0]}: {missing.Message}", "Give the command after --, for example: -- ./do-task.sh"));
        }
        _ = FeedAsync(child._process.StandardInput, input);
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

    /// <summary>How it ended: its exit code, and its output and error as one line each, as far as they came within a second of its end.</summary>
    public async Task<(int ExitCode, string Output, string Error)> ResultAsync()
    {
        (int exitCode, string output, string error) = await TextAsync().ConfigureAwait(false);
        return (exitCode, Tail(output), Tail(error));
    }

    /// <summary>As <see cref="ResultAsync"/>, with the lines as they are; the output has one more character than was asked for when it was longer.</summary>
    public async Task<(int ExitCode, string Output, string Error)> TextAsync()
    {
        await OutputEnd.WaitAsync(Task.WhenAll(_output.Ended, _error.Ended), TimeProvider.System).ConfigureAwait(false);
        return (_process.ExitCode, _output.Text, _error.Text);
    }

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

    /// <summary>As a result, reason or checkpoint may be: one line, no half characters.</summary>
    public static string Line(string text) => Plain.Line(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)), OutputCharsMax);

    private static string Tail(string text)
    {
        string trimmed = text.Trim();
        return Line(trimmed.Length > OutputCharsMax ? trimmed[^OutputCharsMax..] : trimmed);
    }

    /// <summary>Apart from the wait for the end: a command that never reads must not keep its lease from being renewed.</summary>
    private static async Task FeedAsync(StreamWriter stdin, string input)
    {
        await Task.Yield();
        try
        {
            await stdin.WriteAsync(input).ConfigureAwait(false);
            stdin.Close();
        }
        catch (Exception unread) when (unread is IOException or ObjectDisposedException)
        {
            // It does not read its input.
        }
    }

    /// <summary>The end of what one pipe gave so far.</summary>
    private sealed class OutputTail
    {
        private readonly StringBuilder _tail = new();
        private readonly int _charsMax;

        public OutputTail(StreamReader reader, int charsMax)
        {
            _charsMax = charsMax;
            Ended = ReadAsync(reader);
        }

        public Task Ended { get; }

        /// <summary>At most one character more than the bound: the end, and that there was more.</summary>
        public string Text
        {
            get
            {
                lock (_tail) return _tail.ToString(Math.Max(0, _tail.Length - _charsMax - 1), Math.Min(_tail.Length, _charsMax + 1));
            }
        }

        private async Task ReadAsync(StreamReader reader)
        {
            char[] buffer = new char[4_096];
            try
            {
                int read;
                while ((read = await reader.ReadAsync(buffer).ConfigureAwait(false)) > 0)
                {
                    lock (_tail)
                    {
                        _tail.Append(buffer, 0, read);
                        if (_tail.Length > 2 * _charsMax) _tail.Remove(0, _tail.Length - _charsMax - 1);
                    }
                }
            }
            catch (Exception closed) when (closed is IOException or ObjectDisposedException)
            {
                // The task's end was told; what was left running still wrote.
            }
        }
    }
}
