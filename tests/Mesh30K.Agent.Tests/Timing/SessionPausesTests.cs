using Mesh30K.Agent.Timing;

namespace Mesh30K.Agent.Tests.Timing;

public sealed class SessionPausesTests
{
    [Fact]
    public void Pauses_grow_to_a_bound_and_are_spread_over_all_of_it()
    {
        for (int seed = 1; seed <= 50; seed++)
        {
            SessionPauses pauses = new(new Random(seed));
            TimeSpan ceiling = SessionPauses.First;
            for (int i = 0; i < 100; i++)
            {
                TimeSpan pause = pauses.Next();
                Assert.InRange(pause, TimeSpan.Zero, ceiling);
                ceiling = ceiling * 2 < SessionPauses.Most ? ceiling * 2 : SessionPauses.Most;
            }
        }
        TimeSpan[] late = [.. Enumerable.Range(1, 500).Select(seed => Late(seed))];
        Assert.True(late.Min() < SessionPauses.Most / 10 && late.Max() > SessionPauses.Most * 0.9, $"{late.Min()} to {late.Max()}: full jitter uses the whole range");

        static TimeSpan Late(int seed)
        {
            SessionPauses pauses = new(new Random(seed));
            for (int i = 0; i < 20; i++) _ = pauses.Next();
            return pauses.Next();
        }
    }

    [Fact]
    public void What_the_mesh_asked_for_is_the_least_and_is_bounded()
    {
        for (int seed = 1; seed <= 200; seed++)
        {
            SessionPauses pauses = new(new Random(seed));
            Assert.InRange(pauses.Next(TimeSpan.FromSeconds(2)), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2.5));
            Assert.InRange(pauses.Next(TimeSpan.FromDays(20)), SessionPauses.AskedMost, SessionPauses.AskedMost * 1.25);
            Assert.InRange(pauses.Next(TimeSpan.FromDays(-1)), TimeSpan.Zero, SessionPauses.Most);
        }
    }

    [Fact]
    public void After_a_good_session_it_starts_again()
    {
        SessionPauses pauses = new(new Random(3));
        for (int i = 0; i < 30; i++) _ = pauses.Next();
        pauses.Reset();
        Assert.InRange(pauses.Next(), TimeSpan.Zero, SessionPauses.First);
    }
}
