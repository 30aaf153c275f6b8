using System.Buffers;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Strong.Ledger;

/// <summary>All that a ledger knew at one moment. Immutable, since entries are: it may be written on any thread while the ledger goes on.</summary>
public sealed class LedgerImage
{
    internal LedgerImage(LedgerState state)
    {
        (Now, EpochLast, VersionLast, Options) = (state.Now, state.EpochLast, state.VersionLast, state.Options);
        (Effects, Leases, Members) = (state.Effects.Copy(), state.Leases.Copy(), state.Members.Copy());
        (Seen, Values) = (state.Seen.Copy(), state.Values.Copy());
    }

    internal Instant Now { get; }

    internal long EpochLast { get; }

    internal long VersionLast { get; }

    internal LedgerOptions Options { get; }

    internal LedgerEffect[] Effects { get; }

    internal LedgerLease[] Leases { get; }

    internal LedgerMember[] Members { get; }

    internal LedgerSeenKey[] Seen { get; }

    internal LedgerValue[] Values { get; }

    /// <summary>Writes what <see cref="LedgerMachine.Restore"/> reads: the same state gives the same bytes, with the format's version at their head.</summary>
    public void Write(IBufferWriter<byte> to) => LedgerSnapshot.Write(this, to);
}
