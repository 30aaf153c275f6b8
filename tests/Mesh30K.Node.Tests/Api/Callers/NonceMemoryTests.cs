using Mesh30K.Node.Api.Callers;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Tests.Api.Callers;

public sealed class NonceMemoryTests
{
    private const long Second = 1_800_000_000;
    private static readonly AgentId Ana = new("ana"), Bob = new("bob");
    private static readonly SignatureOptions Small = new() { AgeMax = TimeSpan.FromSeconds(60), NoncesPerAgentMax = 3, NoncesMax = 5 };

    private static Instant At(double second) => Instant.FromUnixMs((Second + second) * 1_000);

    [Fact]
    public void The_same_request_is_seen_the_second_time_until_it_is_too_old()
    {
        NonceMemory memory = new(Small);
        Assert.Equal(NonceVerdict.New, memory.Take(Ana, "n", Second, At(0)));
        Assert.Equal(NonceVerdict.Seen, memory.Take(Ana, "n", Second, At(0)));
        Assert.Equal(NonceVerdict.New, memory.Take(Bob, "n", Second, At(0)));
        Assert.Equal(NonceVerdict.Seen, memory.Take(Ana, "n", Second, At(60))); // the last moment at which the gate lets it through
        Assert.Equal(2, memory.Count);
        Assert.Equal(NonceVerdict.New, memory.Take(Bob, "m", Second + 61, At(60.001)));
        Assert.Equal(1, memory.Count);
    }

    /// <summary>Two requests at once: one looked at the clock before its copy was too old, and comes here after the other, whose later look made the memory forget.</summary>
    [Fact]
    public void What_was_forgotten_is_not_new_to_a_request_that_looked_at_the_clock_before()
    {
        NonceMemory memory = new(Small);
        Assert.Equal(NonceVerdict.New, memory.Take(Ana, "n", Second, At(0)));
        Assert.Equal(NonceVerdict.New, memory.Take(Bob, "m", Second + 60, At(60.001)));
        Assert.Equal(NonceVerdict.TooOld, memory.Take(Ana, "n", Second, At(59.999)));
        Assert.Equal(NonceVerdict.TooOld, memory.Take(Ana, "never seen", Second, At(59.999)));
        Assert.Equal(NonceVerdict.New, memory.Take(Ana, "n", Second + 1, At(59.999)));
        Assert.Equal(2, memory.Count);
    }

    [Fact]
    public void Each_agent_and_all_together_have_a_bound_and_the_newest_is_refused()
    {
        NonceMemory memory = new(Small);
        foreach (string nonce in (string[])["1", "2", "3"]) Assert.Equal(NonceVerdict.New, memory.Take(Ana, nonce, Second, At(0)));
        Assert.Equal(NonceVerdict.AgentFull, memory.Take(Ana, "4", Second, At(0)));
        Assert.Equal(NonceVerdict.Seen, memory.Take(Ana, "2", Second, At(0)));
        foreach (string nonce in (string[])["1", "2"]) Assert.Equal(NonceVerdict.New, memory.Take(Bob, nonce, Second + 30, At(30)));
        Assert.Equal(NonceVerdict.Full, memory.Take(Bob, "3", Second + 30, At(30)));
        Assert.Equal(NonceVerdict.New, memory.Take(Bob, "3", Second + 61, At(61)));
        Assert.Equal(NonceVerdict.New, memory.Take(Ana, "4", Second + 61, At(61)));
        Assert.Equal(NonceVerdict.Seen, memory.Take(Bob, "1", Second + 30, At(61)));
    }

    /// <summary>Against a list that never forgets: what the gate would let through again is known, the bounds hold, and what is over takes no room.</summary>
    [Fact]
    public void It_is_what_a_list_would_be()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            Random random = new(seed);
            NonceMemory memory = new(Small with { NoncesPerAgentMax = 8, NoncesMax = 14 });
            List<(AgentId Agent, string Nonce, long Created)> all = [];
            double now = 0;
            for (int step = 0; step < 400; step++)
            {
                now += random.NextDouble() * 8;
                AgentId agent = random.Next(2) == 0 ? Ana : Bob;
                string nonce = $"{random.Next(6)}";
                long created = Second + (long)now - random.Next(0, 55) + random.Next(0, 5);
                List<(AgentId Agent, string Nonce, long Created)> live = all.FindAll(e => At(now) - At(e.Created - Second) <= Small.AgeMax);
                NonceVerdict expected = live.Contains((agent, nonce, created)) ? NonceVerdict.Seen
                    : live.Count(e => e.Agent == agent) >= 8 ? NonceVerdict.AgentFull
                    : live.Count >= 14 ? NonceVerdict.Full : NonceVerdict.New;
                NonceVerdict verdict = memory.Take(agent, nonce, created, At(now));
                Assert.True(expected == verdict, $"seed {seed} step {step}: {verdict}, not {expected}");
                if (verdict == NonceVerdict.New) all.Add((agent, nonce, created));
                Assert.Equal(live.Count + (verdict == NonceVerdict.New ? 1 : 0), memory.Count);
            }
        }
    }
}
