using Mesh30K.Node.Links;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Messages;

namespace Mesh30K.Node.Tests.Links;

/// <summary>An outbox, a connection that breaks, and an agent that remembers what it did, in virtual time: each delivery reaches the application once, and is tallied once.</summary>
public sealed class RedeliveryModelTests
{
    [Fact]
    public void Over_broken_connections_each_delivery_is_done_once_and_tallied_once()
    {
        int broken = 0, repeated = 0, expired = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            Wire wire = new(seed);
            wire.Run();
            foreach ((MessageId id, OutboxItem item) in wire.Made)
            {
                int done = wire.Done.GetValueOrDefault(id), tallied = wire.Tallied.GetValueOrDefault(id);
                bool mayBeLost = item.ExpiresAt < wire.Now;
                Assert.True(done == 1 || (mayBeLost && done == 0), $"replay: seed {seed}: {item.Operation} was done {done} times");
                Assert.True(tallied == 1 || (mayBeLost && tallied == 0), $"replay: seed {seed}: {item.Operation} was tallied {tallied} times");
                if (done == 0) expired++;
            }
            Assert.True(wire.Box is { Waiting: 0, Unanswered: 0, Evicted: 0 }, $"replay: seed {seed}");
            broken += wire.Breaks;
            repeated += wire.Repeated;
        }
        // The runs are worth something only if all of this happened.
        Assert.True(broken > 1_000 && repeated > 500 && expired > 50, $"{broken} breaks, {repeated} repeated, {expired} expired");
    }

    /// <summary>Events in the order of their time; what is on the wire when it breaks is gone, in both directions.</summary>
    private sealed class Wire(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly PriorityQueue<Action, (Instant At, int Number)> _events = new();
        private readonly Dictionary<MessageId, TrinaryState> _answers = [];
        private int _number;
        private int _connection;
        private bool _up;

        public Instant Now { get; private set; } = Orders.Start;

        public Outbox Box { get; } = new(256);

        public Dictionary<MessageId, OutboxItem> Made { get; } = [];

        public Dictionary<MessageId, int> Done { get; } = [];

        public Dictionary<MessageId, int> Tallied { get; } = [];

        public int Breaks { get; private set; }

        public int Repeated { get; private set; }

        public void Run()
        {
            for (int i = 0; i < 40; i++)
            {
                int handle = i + 1;
                double ttlMs = _random.Next(4) == 0 ? _random.Next(1, 400) : 1_000_000;
                After(_random.Next(3_000), () => Make(handle, ttlMs));
            }
            for (int i = 0; i < 12; i++) After(_random.Next(4_000), Break);
            Connect();
            while (_events.TryDequeue(out Action? next, out (Instant At, int) key))
            {
                Now = key.At;
                next();
            }
            Box.DropExpired(Now);
        }

        private void After(double ms, Action action) => _events.Enqueue(action, (Now.PlusMs(ms), _number++));

        private void Make(long handle, double ttlMs)
        {
            OutboxItem item = Orders.Item(handle, (Priority)_random.Next(4), ttlMs, Now);
            Made.Add(item.Message.Id, item);
            Box.Add(item, Now);
            Send();
        }

        private void Connect()
        {
            (_up, _connection) = (true, _connection + 1);
            Box.Reconnected(Now);
            Send();
        }

        private void Break()
        {
            if (!_up) return;
            Breaks++;
            _up = false;
            After(_random.Next(1, 200), Connect);
        }

        private void Send()
        {
            while (_up && Box.Take(Now) is { } item) OnWire(() => Receive(item));
        }

        private void Receive(OutboxItem item)
        {
            MessageId id = item.Message.Id;
            if (_answers.TryGetValue(id, out TrinaryState before))
            {
                Repeated++;
                OnWire(() => Answer(id, before)); // answered from memory, not done again
                return;
            }
            Done[id] = Done.GetValueOrDefault(id) + 1;
            TrinaryState state = _random.Next(2) == 0 ? TrinaryState.Ready : TrinaryState.Conflict;
            _answers.Add(id, state);
            if (_random.Next(3) == 0) OnWire(() => Answer(id, TrinaryState.Transit));
            // Work outlives the connection: the answer goes out on whichever is there then, and is repeated when there is none.
            After(_random.Next(150), () => OnWire(() => Answer(id, state)));
        }

        private void Answer(MessageId id, TrinaryState state)
        {
            if (Box.Answered(id, state) is { } && state != TrinaryState.Transit) Tallied[id] = Tallied.GetValueOrDefault(id) + 1;
        }

        private void OnWire(Action arrives)
        {
            if (!_up) return;
            int connection = _connection;
            After(_random.Next(1, 60), () =>
            {
                if (_up && connection == _connection) arrives();
            });
        }
    }
}
