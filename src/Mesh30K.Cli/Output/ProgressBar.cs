using Spectre.Console;

namespace Mesh30K.Cli.Output;

/// <summary>
/// Progress of long work on stderr: a bar on a terminal, otherwise a line whenever what is being done changes.
/// The work reports what it does and how much of it is done, 0 to 1, from any thread.
/// </summary>
internal static class ProgressBar
{
    public static async Task<T> RunAsync<T>(CliOutput output, Func<Action<string, double>, Task<T>> work)
    {
        if (!output.Progress.Profile.Capabilities.Interactive)
        {
            string last = "";
            return await work((what, _) =>
            {
                string stage = what.Split(':')[0];
                if (stage == last) return;
                last = stage;
                output.Note(stage + " …");
            }).ConfigureAwait(false);
        }
        T result = default!;
        await output.Progress.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn())
            .StartAsync(async context =>
            {
                ProgressTask task = context.AddTask("starting", maxValue: 1);
                result = await work((what, share) =>
                {
                    task.Description = Markup.Escape(what);
                    task.Value = share;
                }).ConfigureAwait(false);
            }).ConfigureAwait(false);
        return result;
    }
}
