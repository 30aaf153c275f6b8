using Mesh30K.Cli.Execution;

namespace Mesh30K.Cli.Tests.Execution;

public sealed class OutputEndTests
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pipe_that_is_held_open_is_waited_for_a_second()
    {
        TimeSpan waited = TimeSpan.Zero;
        await OutputEnd.WaitAsync(new TaskCompletionSource().Task, new Timers(due =>
        {
            waited += due;
            return true;
        })).WaitAsync(Generous, Cancel);
        Assert.Equal(TimeSpan.FromSeconds(1), waited);
    }

    /// <summary>The first timer is over when this process runs again, and what the command wrote is read only then.</summary>
    [Fact]
    public async Task A_process_that_stood_still_reads_the_rest_all_the_same()
    {
        TaskCompletionSource ended = new();
        int timers = 0;
        await OutputEnd.WaitAsync(ended.Task, new Timers(_ =>
        {
            if (++timers == 1) return true;
            ended.SetResult();
            return false;
        })).WaitAsync(Generous, Cancel);
        Assert.True(ended.Task.IsCompleted, "the output was left before its end");
    }

    /// <summary>Timers that fire at once, or never.</summary>
    private sealed class Timers(Func<TimeSpan, bool> fires) : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (fires(dueTime)) ThreadPool.QueueUserWorkItem(_ => callback(state));
            return new Timer();
        }

        private sealed class Timer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
                // Nothing is set.
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
