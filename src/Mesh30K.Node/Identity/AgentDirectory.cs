using Mesh30K.Node.Storage;
using Mesh30K.Protocol;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Node.Identity;

/// <summary>
/// Who may join: agents, their keys, tokens and revocations, durable in a journal (<c>identity/</c> of the data directory) before any answer; reads are lock-free from immutable snapshots.
/// Also gives the sessions' epochs, which rise over restarts (docs/adr/0012). Thread-safe.
/// </summary>
/// <remarks>
/// A step decides on the newest state under a short lock and puts one record in line; what readers see follows when the record is durable, so nobody is told of what a crash could undo.
/// Once the journal has failed, reads go on and every change throws its <see cref="JournalException"/>.
/// </remarks>
public sealed class AgentDirectory : IAsyncDisposable
{
    private const string FolderName = "identity";

    private readonly DirectoryOptions _options;
    private readonly GroupCommit _commit;
    private readonly Lock _gate = new();
    private readonly EpochSource _epochs;
    private DirectoryState _newest;
    private Published _published;
    private long _sequence;
    private long _bytes;
    private long _sinceSnapshot;
    private bool _compacting;
    private string? _failure;

    private AgentDirectory(DirectoryOptions options, DirectoryReader read, JournalFolder journal, Instant now)
    {
        _options = options;
        _newest = read.State;
        _bytes = read.Bytes;
        _sinceSnapshot = journal.BytesSinceSnapshot;
        _sequence = journal.LastSequence;
        _published = new Published(_newest, _sequence);
        _commit = GroupCommit.Start(journal);
        _epochs = new EpochSource(read.State.EpochsUpTo, now, options.EpochBlock, ReserveAsync);
    }

    /// <summary>
    /// Opens or makes it, and reserves the first epochs. Errors: <see cref="JournalException"/>: <c>busy</c> when another process has it, <c>damaged</c> when durable bytes are wrong (nothing is changed then).
    /// </summary>
    /// <param name="now">The first epoch lies above what this moment gives, too: docs/adr/0012.</param>
    public static AgentDirectory Open(string dataDirectory, Instant now, DirectoryOptions? options = null)
    {
        string path = Path.Combine(dataDirectory, FolderName);
        JournalFolder journal = JournalFolder.Open(path);
        AgentDirectory? directory = null;
        try
        {
            if (!journal.TryLock(TimeSpan.FromSeconds(2)))
                throw new JournalException("busy", $"another process holds {path}; is another node running on this data directory?");
            DirectoryReader read = new();
            journal.CatchUp(read);
            directory = new AgentDirectory(options ?? new DirectoryOptions(), read, journal, now);
            directory._epochs.Prepare();
            return directory;
        }
        catch when (directory is null)
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>Called after a revocation is durable, with the agent; on the caller's thread.</summary>
    public Action<AgentId>? Revoked { get; set; }

    /// <summary>Called after an enrolment is durable (webhooks and persons then join at once); on the caller's thread.</summary>
    public Action<EnrolledAgent>? Enrolled { get; set; }

    /// <summary>Why nothing can be written any more (a failed sync), or null.</summary>
    public string? NotReadyBecause => Volatile.Read(ref _failure);

    /// <summary>All agents as of one moment, revoked ones too, in no order.</summary>
    public IReadOnlyCollection<EnrolledAgent> All => new Snapshot(Now.Agents);

    private DirectoryState Now => Volatile.Read(ref _published).State;

    public EnrolledAgent? Find(AgentId id) => Now.Agents.GetValueOrDefault(id);

    /// <summary>The agent's key when it is valid at that moment: known, not expired, neither it nor the agent revoked.</summary>
    public Ed25519PublicKey? KeyOf(AgentId agent, KeyId key, Instant now)
    {
        if (Find(agent) is not { RevokedAt: null } known) return null;
        foreach (EnrolledKey k in known.Keys)
            if (k.Key.Id == key) return k.IsValidAt(now) ? k.Key : null;
        return null;
    }

    /// <summary>Makes a token; the text is shown once and kept nowhere.</summary>
    public async Task<string> IssueTokenAsync(TokenGrant grant, MeshIdentity mesh, Instant now)
    {
        ArgumentNullException.ThrowIfNull(grant);
        ArgumentNullException.ThrowIfNull(mesh);
        Invariant.Check(grant.Uses is >= 1 and <= TokenGrant.UsesMax);
        Invariant.Check(grant.AgentId is null || (grant.Uses == 1 && DirectoryRules.WhyNotId(grant.AgentId.Value.Value) is null));
        (string text, byte[] hash) = EnrolToken.Make(mesh);
        await StepAsync(state => DirectoryRules.Issue(state, new TokenState(hash, grant, 0), _options, now)).ConfigureAwait(false);
        return text;
    }

    /// <summary>
    /// Uses a token. Refusals: token_unknown, token_used, token_expired, bad_agent_id, agent_exists, bad_public_key, bad_proof, directory_full. Asked again with the same key it answers the same and uses
    /// nothing: an answer can get lost.
    /// </summary>
    public async Task<EnrolResult> EnrolAsync(string token, AgentId? wanted, string publicKey, string proof, MeshIdentity mesh, Instant now)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        EnrolRequest request = new(EnrolToken.HashOf(token, mesh), wanted, publicKey, proof, mesh.MeshId);
        _ = DirectoryRules.Enrol(Now, request, _options, now); // checks the signature before the turn that others wait for
        EnrolResult result = await StepAsync(state => DirectoryRules.Enrol(state, request, _options, now)).ConfigureAwait(false);
        if (result.Agent is { } agent) Enrolled?.Invoke(agent);
        return result;
    }

    /// <summary>Enrols a person (class F, no key). Refusals: agent_exists, bad_agent_id, directory_full.</summary>
    public async Task<EnrolResult> AddPersonAsync(AgentId id, IReadOnlyList<string> capabilities, Instant now)
    {
        EnrolResult result = await StepAsync(state => DirectoryRules.AddPerson(state, id, capabilities, _options, now)).ConfigureAwait(false);
        if (result.Agent is { } person) Enrolled?.Invoke(person);
        return result;
    }

    /// <summary>
    /// Takes a new key; the old ones stay valid for the overlap. Refusals: bad_public_key, bad_proof, unknown_agent, revoked (the agent, or the key that signed the request, is not valid now).
    /// </summary>
    public Task<EnrolResult> RotateAsync(AgentId id, KeyId signedBy, string publicKey, string proof, MeshIdentity mesh, Instant now)
    {
        ArgumentNullException.ThrowIfNull(mesh);
        EnrolRequest request = new(null, id, publicKey, proof, mesh.MeshId);
        _ = request.Proves(id);
        return StepAsync(state => DirectoryRules.Rotate(state, id, signedBy, request, _options, now));
    }

    /// <summary>Revokes one key, or with null the agent. False when there is no such. Revocation wins over everything; it is durable when this returns.</summary>
    public async Task<bool> RevokeAsync(AgentId id, KeyId? key, Instant now)
    {
        bool known = await StepAsync(state => DirectoryRules.Revoke(state, id, key, now)).ConfigureAwait(false);
        if (known) Revoked?.Invoke(id);
        return known;
    }

    /// <summary>
    /// A session's epoch: above every one given before, in this run or an earlier one. Waits for the disk when sessions open faster than it reserves. Throws <see cref="JournalException"/> when it cannot reserve.
    /// </summary>
    public long NextEpoch() => _epochs.Next();

    /// <summary>Makes what is in line durable and gives the journal back; changes throw from now on.</summary>
    public ValueTask DisposeAsync() => _commit.DisposeAsync();

    private async Task<T> StepAsync<T>(Func<DirectoryState, Decision<T>> decide)
    {
        T answer;
        Published after;
        try
        {
            lock (_gate)
            {
                Decision<T> decision = decide(_newest);
                if (decision.Change is { } change) Write_NeedsLock(change);
                (answer, after) = (decision.Answer, new Published(_newest, _sequence));
            }
            await _commit.WhenDurableAsync(after.UpTo).ConfigureAwait(false); // a refusal waits too: it may tell of a step that is not durable yet
        }
        catch (JournalException failed) when (failed.Code is not ("busy" or "too_large"))
        {
            Volatile.Write(ref _failure, failed.Message);
            throw;
        }
        Publish(after);
        return answer;
    }

    private void Write_NeedsLock(DirectoryChange change)
    {
        byte[] record = DirectoryRecord.Encode(change);
        _sequence = _commit.Enqueue(DirectoryRecord.Kind, record);
        _newest = _newest.With(change);
        _bytes += record.Length;
        _sinceSnapshot += record.Length;
        bool isDue = !_compacting && _sinceSnapshot > _options.CompactBytes && _sinceSnapshot > 2 * (_bytes - _sinceSnapshot);
        if (!isDue) return;
        _compacting = true;
        _ = CompactAsync(_newest, _bytes);
    }

    /// <summary>
    /// To be called under the lock, which holds until the place in line is taken: what is written later comes behind the snapshot, which is immutable and needs no lock while it is written.
    /// </summary>
    private async Task CompactAsync(DirectoryState state, long before)
    {
        long bytes = 0;
        try
        {
            await _commit.ExclusiveAsync(journal => journal.Compact(state.Snapshot().Select(change =>
            {
                byte[] record = DirectoryRecord.Encode(change);
                bytes += record.Length;
                return (DirectoryRecord.Kind, (ReadOnlyMemory<byte>)record);
            }))).ConfigureAwait(false);
        }
        catch (JournalException failed)
        {
            Volatile.Write(ref _failure, $"the directory of agents could not be compacted: {failed.Message}");
            return; // _compacting stays set: it is not tried again in this run
        }
        lock (_gate)
        {
            _sinceSnapshot = _bytes - before;
            _bytes = bytes + _sinceSnapshot;
            _compacting = false;
        }
    }

    private Task ReserveAsync(long upTo) => StepAsync(_ => new Decision<bool>(new DirectoryChange { EpochsUpTo = upTo }, true));

    /// <summary>Shows readers a state that is durable, unless they see a newer one.</summary>
    private void Publish(Published after)
    {
        Published seen = Volatile.Read(ref _published);
        while (seen.UpTo < after.UpTo)
        {
            Published was = Interlocked.CompareExchange(ref _published, after, seen);
            if (ReferenceEquals(was, seen)) return;
            seen = was;
        }
    }

    /// <param name="State">What readers see.</param>
    /// <param name="UpTo">The last record in it.</param>
    private sealed record Published(DirectoryState State, long UpTo);

    private sealed class Snapshot(System.Collections.Immutable.ImmutableDictionary<AgentId, EnrolledAgent> agents) : IReadOnlyCollection<EnrolledAgent>
    {
        public int Count => agents.Count;

        public IEnumerator<EnrolledAgent> GetEnumerator() => agents.Values.GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
