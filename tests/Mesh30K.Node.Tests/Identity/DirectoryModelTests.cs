using System.Globalization;
using Mesh30K.Node.Identity;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using static Mesh30K.Node.Tests.Identity.DirectoryBox;

namespace Mesh30K.Node.Tests.Identity;

/// <summary>Random histories with reopenings against a plain model of what the directory promises.</summary>
public sealed class DirectoryModelTests
{
    private static readonly Ed25519PrivateKey[] Keys = [.. Enumerable.Range(0, 12).Select(_ => Ed25519PrivateKey.Generate())];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Any_history_keeps_the_promises(int seed)
    {
        Random random = new(seed);
        await using DirectoryBox box = new(new DirectoryOptions { CompactBytes = 3_000, EpochBlock = 4 });
        Model model = new();
        double day = 0;
        long epoch = 0;
        List<string> history = [];
        for (int step = 0; step < 150; step++)
        {
            day += random.NextDouble() * 3;
            Instant now = At(day);
            string id = $"a{random.Next(5)}";
            Ed25519PrivateKey key = Keys[random.Next(Keys.Length)], other = Keys[random.Next(Keys.Length)];
            (string what, string? expected, string? actual) = random.Next(9) switch
            {
                0 or 1 => await EnrolAsync(box, model, random, id, key, now),
                2 or 3 => ($"rotate {id}", model.Rotate(id, other, key, now), (await box.RotateAsync(id, other, key, now)).Code),
                4 => ($"revoke {id} key", model.Revoke(id, key) ? "yes" : "no", await box.Directory.RevokeAsync(new AgentId(id), key.PublicKey.Id, now) ? "yes" : "no"),
                5 when random.Next(4) == 0 => ($"revoke {id}", model.Revoke(id, null) ? "yes" : "no", await box.Directory.RevokeAsync(new AgentId(id), null, now) ? "yes" : "no"),
                6 => ("reopen", null, await ReopenAsync(box, now)),
                _ => ("epoch", "rises", box.Directory.NextEpoch() is var next && next > epoch && (epoch = next) > 0 ? "rises" : "falls"),
            };
            history.Add(string.Create(CultureInfo.InvariantCulture, $"day {day:0.0}: {what} -> {expected}"));
            Assert.True(expected == actual, $"seed {seed}: got {actual}\n{string.Join('\n', history.TakeLast(12))}");
            foreach (string agent in model.Agents)
                foreach (Ed25519PrivateKey each in Keys)
                    Assert.True(model.IsValid(agent, each, now) == box.IsValid(agent, each, now), $"seed {seed}: {agent} {each.PublicKey.Id}\n{string.Join('\n', history.TakeLast(12))}");
        }
        Assert.Equal(model.Agents.Order(StringComparer.Ordinal), box.Directory.All.Select(a => a.Id.Value).Order(StringComparer.Ordinal));
        Assert.Null(box.Directory.NotReadyBecause);
    }

    private static async Task<(string What, string? Expected, string? Actual)> EnrolAsync(DirectoryBox box, Model model, Random random, string id, Ed25519PrivateKey key, Instant now)
    {
        if (model.Tokens.Count == 0 || random.Next(3) == 0)
        {
            int uses = random.Next(1, 3);
            Instant until = now + TimeSpan.FromDays(random.Next(1, 20));
            model.Tokens.Add(new Model.Token(await box.TokenAsync(uses: uses, validDays: (until - now).TotalDays, now: now), until) { Left = uses });
        }
        Model.Token token = model.Tokens[random.Next(model.Tokens.Count)];
        return ($"enrol {id}", model.Enrol(token, id, key, now), (await box.EnrolAsync(token.Text, id, key, now)).Code);
    }

    private static async Task<string?> ReopenAsync(DirectoryBox box, Instant now)
    {
        await box.ReopenAsync(now);
        return null;
    }

    /// <summary>What the directory promises, in lists.</summary>
    private sealed class Model
    {
        private readonly Dictionary<string, List<Key>> _agents = [];
        private readonly HashSet<string> _revoked = [];

        public List<Token> Tokens { get; } = [];

        public IEnumerable<string> Agents => _agents.Keys;

        public bool IsValid(string id, Ed25519PrivateKey key, Instant now) =>
            !_revoked.Contains(id) && _agents.TryGetValue(id, out List<Key>? keys) && keys.Any(k => k.Is == key && !k.IsRevoked && now <= k.Until);

        public string? Enrol(Token token, string id, Ed25519PrivateKey key, Instant now)
        {
            if (IsValid(id, key, now)) return null;
            if (token.Left == 0) return "token_used";
            if (now > token.Until) return "token_expired";
            if (_agents.ContainsKey(id)) return "agent_exists";
            token.Left--;
            _agents[id] = [new Key(key, now + TimeSpan.FromDays(32))];
            return null;
        }

        public string? Rotate(string id, Ed25519PrivateKey from, Ed25519PrivateKey to, Instant now)
        {
            if (!_agents.TryGetValue(id, out List<Key>? keys)) return "unknown_agent";
            if (!IsValid(id, from, now)) return "revoked";
            if (keys[^1].Is == to && IsValid(id, to, now)) return null;
            if (keys.Any(k => k.Is == to)) return "bad_public_key";
            foreach (Key key in keys) key.Until = now + TimeSpan.FromDays(2) < key.Until ? now + TimeSpan.FromDays(2) : key.Until;
            keys.Add(new Key(to, now + TimeSpan.FromDays(32)));
            if (keys.Count > 8) keys.RemoveAt(Math.Max(0, keys.FindIndex(k => k.IsRevoked || now > k.Until)));
            return null;
        }

        public bool Revoke(string id, Ed25519PrivateKey? key)
        {
            if (!_agents.TryGetValue(id, out List<Key>? keys)) return false;
            if (key is null)
            {
                _revoked.Add(id);
                return true;
            }
            if (keys.Find(k => k.Is == key) is not { } known) return false;
            known.IsRevoked = true;
            return true;
        }

        public sealed record Token(string Text, Instant Until)
        {
            public int Left { get; set; }
        }

        private sealed class Key(Ed25519PrivateKey key, Instant until)
        {
            public Ed25519PrivateKey Is { get; } = key;

            public Instant Until { get; set; } = until;

            public bool IsRevoked { get; set; }
        }
    }
}
