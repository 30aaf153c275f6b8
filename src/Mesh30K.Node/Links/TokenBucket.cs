using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Links;

/// <summary>A rate limit: so many a second, so many at once after a pause. Pure: time comes in. One owner.</summary>
/// <param name="perSecond">Tokens that come back a second.</param>
/// <param name="burst">Tokens at most.</param>
internal struct TokenBucket(double perSecond, double burst)
{
    /// <summary>Counted from full downwards, so that a new one is full.</summary>
    private double _taken;
    private Instant _at;

    /// <summary>Takes so many when there is at least one; one frame may take more than there is, which is paid back first.</summary>
    public bool TryTake(int count, Instant now)
    {
        if (now > _at)
        {
            _taken = Math.Max(0, _taken - ((now - _at).TotalSeconds * perSecond));
            _at = now;
        }
        if (_taken > burst - 1) return false;
        _taken += count;
        return true;
    }

    /// <summary>Until one more could be taken, in ms.</summary>
    public readonly int WaitMs => (int)Math.Clamp(Math.Ceiling((_taken - burst + 1) / perSecond * 1_000), 0, int.MaxValue);
}
