using System.Net.WebSockets;
using Mesh30K.Node.Ledger;
using Mesh30K.Node.Ledger.Links;
using static Mesh30K.Node.Tests.Ledger.Links.CoordinatorFixture;

namespace Mesh30K.Node.Tests.Ledger.Links;

public sealed class PeerLinkTests
{
    /// <summary>Whatever a dial ends with while the link is being stopped: whoever stops it goes on to stop the rest.</summary>
    [Fact]
    public async Task A_dial_that_fails_while_the_link_stops_is_no_failure_of_stopping()
    {
        foreach (Exception failure in (Exception[])[new WebSocketException("refused"), new IOException("reset"), new HttpRequestException("unreachable"), new LinkFormatException("a stranger"), new OperationCanceledException()])
        {
            FailsWhenStopped dialer = new(failure);
            PeerLink link = new(2, () => new GroupServer(2, "there", 1), dialer, _ => { });
            await dialer.Dialling.WaitAsync(Generous, TestContext.Current.CancellationToken);
            await link.DisposeAsync().AsTask().WaitAsync(Generous, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>A dial that ends when it is to stop, with a failure of its own.</summary>
    private sealed class FailsWhenStopped(Exception failure) : ILinkDialer
    {
        private readonly TaskCompletionSource _dialling = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task Dialling => _dialling.Task;

        public async Task<WebSocket> DialAsync(GroupServer to, TimeSpan atMost, TimeSpan keepAlive, CancellationToken cancel)
        {
            _dialling.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw failure;
        }
    }
}
