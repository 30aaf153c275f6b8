using Mesh30K.Consistency.Strong.Ledger;
using Mesh30K.Node.Ledger.Group;

namespace Mesh30K.Node.Ledger.Links;

/// <summary>Asks its own host for one thing: the status that came, or null for any other answer.</summary>
internal sealed class OneAnswer : ILedgerCaller
{
    private readonly TaskCompletionSource<CoordinatorStatus?> _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal Task<CoordinatorStatus?> Answered => _answered.Task;

    public void Answer(long id, LedgerReply reply) => _answered.TrySetResult(null);

    public void Answer(long id, LedgerPage<LedgerEntry> page) => _answered.TrySetResult(null);

    public void Answer(long id, CoordinatorStatus status) => _answered.TrySetResult(status);

    public void Done(long id) => _answered.TrySetResult(null);

    public void Refuse(long id, LedgerRefusal refusal) => _answered.TrySetResult(null);

    public void Flush()
    {
        // the answer is given already
    }
}
