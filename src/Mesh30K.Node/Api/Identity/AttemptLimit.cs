using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Api.Identity;

/// <summary>At most so many attempts a second in whole, whoever they come from: a bucket that fills evenly and holds one second's worth. Thread-safe.</summary>
internal sealed class AttemptLimit(int perSecond)
{
    private readonly Lock _gate = new();
    private double _left = perSecond;
    private Instant? _at;

    /// <summary>Takes one attempt; false when none is left.</summary>
    internal bool TryTake(Instant now)
    {
        lock (_gate)
        {
            if (_at is { } last && now > last) _left = Math.Min(perSecond, _left + ((now - last).TotalSeconds * perSecond));
            if (_at is null || now > _at) _at = now;
            if (_left < 1) return false;
            _left--;
            return true;
        }
    }
}
