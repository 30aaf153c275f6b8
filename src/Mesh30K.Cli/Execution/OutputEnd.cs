namespace Mesh30K.Cli.Execution;

/// <summary>The wait for the rest of a command's output once the command has ended. Stateless.</summary>
internal static class OutputEnd
{
    private const int Steps = 10;
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Back when the output has ended, or after a second: what the command left running may hold the pipe open for ever. The second has ten steps, each with a timer of its own: where this process gets no processor for a
    /// while, one step is over and not all of them, and what the command wrote is still read.
    /// </summary>
    public static async Task WaitAsync(Task ended, TimeProvider clock)
    {
        for (int step = 0; step < Steps && !ended.IsCompleted; step++) await Task.WhenAny(ended, Task.Delay(Step, clock)).ConfigureAwait(false);
    }
}
