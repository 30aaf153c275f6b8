using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Mesh30K.Cli.Client;

namespace Mesh30K.Cli.Git;

/// <summary>What one run of git gave.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Out">Its stdout, byte for byte.</param>
/// <param name="Error">Its stderr.</param>
internal sealed record GitResult(int ExitCode, byte[] Out, string Error)
{
    /// <summary>Stdout as text without its last line ending.</summary>
    public string Text => Encoding.UTF8.GetString(Out) is { } text && text.EndsWith('\n') ? text[..^1] : Encoding.UTF8.GetString(Out);

    /// <summary>git's own words, in one line.</summary>
    public string ErrorLine => Plain.Line(Error.Trim(), 300);
}

/// <summary>
/// Runs the <c>git</c> command: arguments go to it one by one and never through a shell, it asks nothing, speaks English, reads no stdin, and is ended
/// after <see cref="TimeMax"/>. Thread-safe.
/// </summary>
internal static class GitCommand
{
    private const int OutBytesMax = 256 << 20;
    private const int ErrorBytesMax = 1 << 20;

    /// <summary>How long one run may take.</summary>
    public static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(30);

    /// <summary>Runs git in a folder and gives what came, whatever the exit code.</summary>
    /// <exception cref="CliException">There is no git, it took too long, or it wrote too much.</exception>
    public static async Task<GitResult> RunAsync(string folder, CancellationToken stop, params IReadOnlyList<string> arguments)
    {
        using Process git = new();
        git.StartInfo = new ProcessStartInfo("git", arguments)
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["GIT_TERMINAL_PROMPT"] = "0", ["LC_ALL"] = "C" },
        };
        try
        {
            git.Start();
        }
        catch (Win32Exception missing)
        {
            throw new CliException(new CliError(ExitCode.Usage, "git_missing", $"git could not be run: {missing.Message}", "Install git and see to it that it is on the PATH."));
        }
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(stop);
        deadline.CancelAfter(TimeMax);
        try
        {
            git.StandardInput.Close();
            Task<byte[]> output = ReadAllAsync(git.StandardOutput.BaseStream, OutBytesMax, deadline.Token);
            Task<byte[]> error = ReadAllAsync(git.StandardError.BaseStream, ErrorBytesMax, deadline.Token);
            await Task.WhenAll(output, error).ConfigureAwait(false);
            await git.WaitForExitAsync(deadline.Token).ConfigureAwait(false);
            return new GitResult(git.ExitCode, await output.ConfigureAwait(false), Encoding.UTF8.GetString(await error.ConfigureAwait(false)));
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new CliException(new CliError(ExitCode.NotAchieved, "git_slow", $"`git {arguments[0]}` took longer than {TimeMax.TotalSeconds:0} s", "Run it by hand to see what it waits for."));
        }
        finally
        {
            if (!git.HasExited) git.Kill(entireProcessTree: true);
        }
    }

    /// <summary>As <see cref="RunAsync"/>, where any exit code but 0 and those named is a failure.</summary>
    /// <exception cref="CliException">It failed; the message has git's own words.</exception>
    public static async Task<GitResult> ExpectAsync(string folder, int[] alsoFine, CancellationToken stop, params IReadOnlyList<string> arguments)
    {
        GitResult result = await RunAsync(folder, stop, arguments).ConfigureAwait(false);
        return result.ExitCode == 0 || alsoFine.Contains(result.ExitCode)
            ? result
            : throw new CliException(new CliError(ExitCode.Usage, "git_failed", $"`git {arguments[0]}` failed: {result.ErrorLine}"));
    }

    private static async Task<byte[]> ReadAllAsync(Stream stream, int bytesMax, CancellationToken cancel)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[32 << 10];
        while (await stream.ReadAsync(buffer, cancel).ConfigureAwait(false) is > 0 and int count)
        {
            if (all.Length + count > bytesMax) throw new CliException(new CliError(ExitCode.NotAchieved, "git_output", $"git wrote more than {bytesMax} bytes"));
            all.Write(buffer, 0, count);
        }
        return all.ToArray();
    }
}
