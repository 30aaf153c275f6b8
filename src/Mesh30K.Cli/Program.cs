using System.Runtime.InteropServices;
using Mesh30K.Cli;

using CancellationTokenSource stop = new();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, StopOnce);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, StopOnce);

return (int)await MeshCommandLine.Create(CliContext.ForProcess()).RunAsync(args, stop.Token).ConfigureAwait(false);

// The first signal asks the verb to stop; the second one is left to the runtime, which ends the process.
void StopOnce(PosixSignalContext signal)
{
    if (stop.IsCancellationRequested) return;
    signal.Cancel = true;
    stop.Cancel();
}
