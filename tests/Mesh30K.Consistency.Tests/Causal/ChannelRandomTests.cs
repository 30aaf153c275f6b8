using System.Globalization;
using System.Text;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Consistency.Tests.Causal;

/// <summary>
/// Random commands of several agents, with time that moves and jumps, against <see cref="ChannelModel"/>; restarts by replay and from snapshots.
/// <c>MESH_CHANNEL_SEED=n</c> replays one seed, <c>MESH_CHANNEL_RUNS=n</c> sets how many there are.
/// </summary>
public sealed class ChannelRandomTests
{
    [Fact]
    public void A_channel_does_what_the_naive_model_does_through_restarts()
    {
        int[] seeds = int.TryParse(Environment.GetEnvironmentVariable("MESH_CHANNEL_SEED"), CultureInfo.InvariantCulture, out int one) ? [one]
            : [.. Enumerable.Range(1, int.TryParse(Environment.GetEnvironmentVariable("MESH_CHANNEL_RUNS"), CultureInfo.InvariantCulture, out int runs) ? runs : 150)];
        foreach (int seed in seeds)
        {
            Run run = new(seed);
            try
            {
                run.All();
            }
            catch (Exception e)
            {
                Assert.Fail($"replay: MESH_CHANNEL_SEED={seed}\n{run.Transcript()}\n{e}");
            }
        }
    }

    private sealed class Run(int seed) : IChannelEffects
    {
        private static readonly string[] Agents = ["ana", "bob", "cyd"];
        private static readonly ReplicaId Bob = ReplicaId.Parse("bob");
        private static readonly ReplicaId Cyd = ReplicaId.Parse("cyd");
        private readonly Random _random = new(seed);
        private readonly ChannelOptions _options = new()
        {
            OpenMax = seed % 3 == 0 ? 12 : 1_000,
            EndedMax = seed % 4 switch { 0 => 0, 1 => 5, 2 => 20, _ => 1_000 },
            Writer = seed % 2 == 0 ? ReplicaId.None : ReplicaId.Parse("ana"),
        };

        private readonly List<string> _lines = [];
        private readonly List<Dot> _pushed = [];
        private readonly List<(Dot Id, long Token)> _claims = [];
        private readonly Dictionary<Dot, (string Text, string? Agent)> _words = [];
        private readonly HashSet<Dot> _done = [];
        private readonly List<(byte Kind, byte[] Record)> _journal = [];
        private Instant _now = new(10_000_000_000);
        private long _tokenLast;

        public void Persist(byte kind, ReadOnlySpan<byte> record) => _journal.Add((kind, record.ToArray()));

        public string Transcript() => string.Join('\n', _lines.TakeLast(60));

        public void All()
        {
            Channel channel = new(_options);
            Channel mirror = new(_options);
            ChannelModel model = new(_options);
            int steps = 40 + _random.Next(80);
            for (int step = 0; step < steps; step++)
            {
                _now += TimeSpan.FromSeconds(_random.Next(30) switch { 0 => 100, 1 => -50, _ => _random.Next(3) });
                ChannelCommand command = Next();
                int before = _journal.Count;
                ChannelReply reply = channel.Step(command, _now, this);
                _lines.Add($"t={_now.Ticks / 10_000_000}s {Describe(command)} → {reply.Outcome} {string.Join(' ', reply.Entries.Select(e => $"{e.Id}:{e.Status}:{e.Token}"))} {reply.Message}");
                (ChannelOutcome outcome, List<ChannelModel.Task> tasks) = model.Step(command, _now);
                Assert.Equal(outcome, reply.Outcome);
                Assert.Equal(tasks.Select(t => t.Id), reply.Entries.Select(e => e.Id));
                Assert.Equal(outcome == ChannelOutcome.Ok, reply.Message.Length == 0);
                for (int i = before; i < _journal.Count; i++) mirror.Apply(_journal[i].Kind, _journal[i].Record);
                Note(command, reply, channel);
                Compare(model, channel);
                if (_random.Next(12) == 0) channel = Restart(channel, mirror);
            }
            Assert.Equal(Bytes(channel), Bytes(mirror));
            foreach (Dot id in _pushed) Assert.True(channel.StatusOf(id) is not null, $"{id} vanished");
        }

        /// <summary>Sometimes compacts, then builds the channel again from what a journal would hold.</summary>
        private Channel Restart(Channel channel, Channel mirror)
        {
            string bytes = Bytes(channel);
            Assert.Equal(bytes, Bytes(mirror));
            if (_random.Next(2) == 0)
            {
                List<(byte, byte[])> snapshot = [.. channel.Snapshot().Select(r => (r.Kind, r.Payload.ToArray()))];
                _journal.Clear();
                _journal.AddRange(snapshot);
            }
            Channel anew = new(_options);
            foreach ((byte kind, byte[] record) in _journal) anew.Apply(kind, record);
            Assert.Equal(bytes, Bytes(anew));
            Assert.Equal(channel.NextDue, anew.NextDue);
            _lines.Add("restart");
            return anew;
        }

        private void Note(ChannelCommand command, ChannelReply reply, Channel channel)
        {
            if (command is ChannelCommand.Push or ChannelCommand.PushAll) _pushed.AddRange(reply.Entries.Select(e => e.Id).Except(_pushed).ToList());
            foreach (ChannelEntry entry in reply.Entries) _words[entry.Id] = (entry.Text, entry.Agent);
            foreach (ChannelEntry entry in command is ChannelCommand.Claim ? reply.Entries : command is ChannelCommand.CompleteAndClaim ? reply.Entries.Skip(1) : [])
            {
                Assert.Equal(EntryStatus.Claimed, entry.Status);
                Assert.True(entry.Token > _tokenLast, "a token was given twice");
                Assert.DoesNotContain(entry.Id, _done);
                Assert.All(entry.DependsOn, on => Assert.Equal(EntryStatus.Done, channel.StatusOf(on)));
                _tokenLast = entry.Token;
                _claims.Add((entry.Id, entry.Token));
            }
            foreach (ChannelEntry entry in reply.Entries.Where(e => e.Status == EntryStatus.Done)) _done.Add(entry.Id);
            Assert.All(_done, id => Assert.Equal(EntryStatus.Done, channel.StatusOf(id)));
        }

        private static void Compare(ChannelModel model, Channel channel)
        {
            List<ChannelModel.Task> tasks = [.. model.Tasks.OrderBy(t => t.Id)];
            List<ChannelEntry> entries = [.. channel.Entries];
            Assert.Equal(tasks.Count, entries.Count);
            for (int i = 0; i < tasks.Count; i++)
            {
                ChannelModel.Task t = tasks[i];
                ChannelEntry e = entries[i];
                Assert.Equal(
                    (t.Id, model.StatusOf(t), t.Holder, t.Token, t.Lease, t.Retry, t.Attempts, t.Checkpoint, t.Result, ChannelModel.Show(t.Clock)),
                    (e.Id, e.Status, e.ClaimedBy, e.Token, e.LeaseUntil, e.RetryAt, e.Attempts, e.Checkpoint, e.Result, e.Clock.ToString()));
                List<Dot> blockedBy = [.. model.BlockedBy(t)];
                if (!blockedBy.SequenceEqual(e.BlockedBy) || !blockedBy.SequenceEqual(channel.Find(e.Id)!.BlockedBy)) Assert.Fail($"{t.Id} is blocked by {string.Join(' ', blockedBy)}, not {string.Join(' ', e.BlockedBy)}");
            }
            ChannelCounts counts = channel.Counts;
            Assert.Equal(model.Retired, counts.Retired);
            long Count(EntryStatus status) => tasks.LongCount(t => model.StatusOf(t) == status);
            Assert.Equal(
                new ChannelCounts(Count(EntryStatus.Waiting), Count(EntryStatus.Ready), Count(EntryStatus.Claimed), Count(EntryStatus.Done), Count(EntryStatus.Failed), Count(EntryStatus.Cancelled), model.Retired),
                counts);
            Assert.Equal(tasks.Select(t => t.Lease ?? t.Retry).Where(d => d is not null).Min(), channel.NextDue);
        }

        private ChannelCommand Next()
        {
            (Dot id, long token) = Held();
            TimeSpan lease = TimeSpan.FromSeconds(1 + _random.Next(20));
            return _random.Next(24) switch
            {
                < 6 => NextPush(0, 0),
                < 8 => NextBatch(),
                < 13 => new ChannelCommand.Claim(Agent(), lease, 1 + _random.Next(3)),
                < 16 => new ChannelCommand.Complete(id, token, _random.Next(2) == 0 ? null : "ok"),
                16 => new ChannelCommand.CompleteAndClaim(id, token, "ok", Agent(), lease),
                17 => new ChannelCommand.Renew(id, token, lease),
                18 => new ChannelCommand.Checkpoint(id, token, "at " + _random.Next(100).ToString(CultureInfo.InvariantCulture), lease),
                19 => new ChannelCommand.Fail(id, token, "broke", _random.Next(3) == 0 ? null : TimeSpan.FromSeconds(_random.Next(5))),
                20 => new ChannelCommand.Release(id, token),
                21 => new ChannelCommand.Cancel(_random.Next(2) == 0 ? id : Known(), "not needed", _random.Next(2) == 0),
                _ => new ChannelCommand.Reopen(Known()),
            };
        }

        private ChannelCommand.PushAll NextBatch()
        {
            int count = 1 + _random.Next(5);
            return new ChannelCommand.PushAll([.. Enumerable.Range(0, count).Select(i => NextPush(i, count))]);
        }

        private ChannelCommand.Push NextPush(int index, int batch)
        {
            List<Dot> dependsOn = [];
            for (int d = _random.Next(4); d > 0; d--)
            {
                if (batch > 0 && _random.Next(2) == 0) dependsOn.Add(ChannelCommand.PushAll.Entry(_random.Next(6) == 0 ? _random.Next(batch) : Math.Max(0, index - 1)));
                else if (_pushed.Count > 0) dependsOn.Add(Known());
            }
            if (_pushed.Count > 0 && _random.Next(8) == 0) return NextEnd();
            if (index == 0 && _random.Next(8) != 0) dependsOn.RemoveAll(d => d.Number < 0);
            bool isImport = _random.Next(5) == 0;
            EntryStatus? ended = isImport && _random.Next(3) == 0 ? EntryStatus.Done + _random.Next(3) : null;
            VectorClock? clock = isImport && _random.Next(3) == 0 ? VectorClock.Empty.With(new Dot(1 + _random.Next(60), _random.Next(4) == 0 ? _options.Writer : Cyd)) : null;
            return new ChannelCommand.Push(
                "text " + _random.Next(2).ToString(CultureInfo.InvariantCulture), dependsOn, _random.Next(3) == 0 ? Agent() : null,
                _random.Next(4) == 0 ? "key " + _random.Next(20).ToString(CultureInfo.InvariantCulture) : null,
                isImport ? new Dot(1 + _random.Next(40), _random.Next(3) == 0 ? _options.Writer : Bob) : null, 1 + _random.Next(3), clock, ended,
                ended is not null && _random.Next(2) == 0 ? "elsewhere" : null);
        }

        /// <summary>Tells how an entry that is known ended elsewhere: mostly with its words.</summary>
        private ChannelCommand.Push NextEnd()
        {
            Dot id = Known();
            (string text, string? agent) = _random.Next(12) == 0 ? ("other", null) : _words.GetValueOrDefault(id, ("other", null));
            return new ChannelCommand.Push(text, [], agent, null, id, 1, null, EntryStatus.Done + _random.Next(3), _random.Next(2) == 0 ? null : "elsewhere");
        }

        private static string Describe(ChannelCommand command) => command switch
        {
            ChannelCommand.Push push => $"Push {push.Id} {push.Text} depends {string.Join(' ', push.DependsOn)} agent {push.Agent} key {push.Key} clock {push.Clock} ended {push.Ended} {push.Result}",
            ChannelCommand.PushAll all => $"PushAll [{string.Join("; ", all.Entries.Select(Describe))}]",
            _ => command.ToString(),
        };

        private string Agent() => Agents[_random.Next(Agents.Length)];

        private Dot Known() => _pushed.Count == 0 || _random.Next(40) == 0 ? new Dot(1 + _random.Next(200), Bob) : _pushed[Math.Max(0, _pushed.Count - 1 - _random.Next(_random.Next(3) == 0 ? _pushed.Count : 6))];

        private (Dot Id, long Token) Held()
        {
            if (_claims.Count == 0) return (Known(), 0);
            (Dot id, long token) = _claims[Math.Max(0, _claims.Count - 1 - _random.Next(_random.Next(4) == 0 ? _claims.Count : 3))];
            return _random.Next(25) == 0 ? (id, token + 1) : (id, token);
        }

        private static string Bytes(Channel channel)
        {
            StringBuilder all = new();
            foreach ((byte kind, ReadOnlyMemory<byte> payload) in channel.Snapshot()) all.Append(kind).Append(':').Append(Convert.ToHexString(payload.Span)).Append('\n');
            return all.ToString();
        }
    }
}
