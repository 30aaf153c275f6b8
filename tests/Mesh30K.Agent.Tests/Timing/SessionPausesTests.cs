using Mesh30K.Agent.Timing;

namespace Mesh30K.Agent.Tests.Timing;

public sealed class BackoffTests
{
    [Fact]
    public void Pauses_grow_to_a_bound_and_are_spread_over_all_of_it()
    {
        for (int seed = 1; seed <= 50; seed++)
        {
            Backoff backoff = new(new Random(seed));
            TimeSpan ceiling = Backoff.First;
            for (int i = 0; i < 100; i++)
            {
                TimeSpan pause = backoff.Next();
                Assert.InRange(pause, TimeSpan.Zero, ceiling);
                ceiling = ceiling * 2 < Backoff.Most ? ceiling * 2 : Backoff.Most;
            }
        }
        TimeSpan[] late = [.. Enumerable.Range(1, 500).Select(seed => Late(seed))];
        Assert.True(late.Min() < Backoff.Most / 10 && late.Max() > Backoff.Most * 0.9, $"{late.Min()} to {late.Max()}: full jitter uses the whole range");

        static TimeSpan Late(int seed)
        {
            Backoff backoff = new(new Random(seed));
            for (int i = 0; i < 20; i++) _ = backoff.Next();
            return backoff.Next();
        }
    }

    [Fact]
    public void What_the_mesh_asked_for_is_the_least_and_is_bounded()
    {
        for (int seed = 1; seed <= 200; seed++)
        {
            Backoff backoff = new(new Random(seed));
            Assert.InRange(backoff.Next(TimeSpan.FromSeconds(2)), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2.5));
            Assert.InRange(backoff.Next(TimeSpan.FromDays(20)), Backoff.AskedMost, Backoff.AskedMost * 1.25);
            Assert.InRange(backoff.Next(TimeSpan.FromDays(-1)), TimeSpan.Zero, Backoff.Most);
        }
    }

    [Fact]
    public void After_a_good_session_it_starts_again()
    {
        Backoff backoff = new(new Random(3));
        for (int i = 0; i < 30; i++) _ = backoff.Next();
        backoff.Reset();
        Assert.InRange(backoff.Next(), TimeSpan.Zero, Backoff.First);
    }
}
