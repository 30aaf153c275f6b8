using System.Runtime.InteropServices;
using Mesh30K.Cli;

using CancellationTokenSource stop = new();
long signalled = 0;
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, StopOnce);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, StopOnce);

return (int)await MeshCommandLine.Create(CliContext.ForProcess()).RunAsync(args, stop.Token).ConfigureAwait(false);

// The first signal asks the verb to stop; a later one is left to the runtime, which ends the process. What comes at once is the first one again:
// timeout(1) signals its child and then the group.
void StopOnce(PosixSignalContext signal)
{
    const long sameMs = 500;
    long now = Environment.TickCount64;
    if (Interlocked.CompareExchange(ref signalled, now, 0) is not 0 and long first && now - first > sameMs) return;
    signal.Cancel = true;
    stop.Cancel();
}
