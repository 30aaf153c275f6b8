using Mesh30K.Agent.Delivery;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Agent.Tests.Delivery;

public sealed class DeliveryLedgerTests
{
    private static readonly Instant Start = Instant.FromUnixMs(1_000_000);

    [Fact]
    public void A_delivery_is_new_once_open_until_answered_and_then_answered_alike()
    {
        DeliveryLedger ledger = new();
        MessageId id = Id(1);
        Instant end = Start.PlusMs(5_000);
        Assert.Equal(Known.New, ledger.Came(id, end, Start, out _));
        Assert.Equal(Known.Open, ledger.Came(id, end, Start, out _));
        Assert.True(ledger.Answer(id, [1, 2], Start));
        Assert.False(ledger.Answer(id, [3], Start));
        Assert.Equal(Known.Answered, ledger.Came(id, end, Start.PlusMs(4_999), out byte[]? answer));
        Assert.Equal([1, 2], answer);
        Assert.Equal(Known.New, ledger.Came(id, end, Start.PlusMs(5_001), out _));
    }

    [Fact]
    public void What_was_cancelled_is_closed_without_an_answer()
    {
        DeliveryLedger ledger = new();
        _ = ledger.Came(Id(1), Start.PlusMs(100), Start, out _);
        Assert.True(ledger.Answer(Id(1), null, Start));
        Assert.Equal(Known.Closed, ledger.Came(Id(1), Start.PlusMs(100), Start, out byte[]? answer));
        Assert.Null(answer);
    }

    /// <summary>Against a model that keeps everything: whatever comes in whatever order, nothing open is lost, no answer changes, and the bounds hold.</summary>
    [Fact]
    public void Random_deliveries_keep_the_promises()
    {
        for (int seed = 1; seed <= 300; seed++)
        {
            Random random = new(seed);
            int answersMax = random.Next(1, 8), bytesMax = random.Next(1, 200);
            DeliveryLedger ledger = new(answersMax, bytesMax);
            HashSet<int> open = [];
            Dictionary<int, byte[]> answers = [];
            Instant now = Start;
            for (int step = 0; step < 300; step++)
            {
                now = now.PlusMs(random.Next(0, 50));
                int n = random.Next(0, 20);
                if (random.Next(2) == 0)
                {
                    Known known = ledger.Came(Id(n), now.PlusMs(random.Next(1, 2_000)), now, out byte[]? answer);
                    Assert.True(known == Known.Open == open.Contains(n), $"seed {seed}, step {step}: {n} is {known}");
                    if (known == Known.New) open.Add(n);
                    if (known == Known.Answered) Assert.Equal(answers[n], answer);
                }
                else
                {
                    byte[] answer = new byte[random.Next(1, 60)];
                    random.NextBytes(answer);
                    bool taken = ledger.Answer(Id(n), answer, now);
                    Assert.True(taken == open.Remove(n), $"seed {seed}, step {step}: the answer of {n}");
                    if (taken) answers[n] = answer;
                }
                Assert.Equal(open.Count, ledger.Open);
                Assert.True(ledger.Count - ledger.Open <= answersMax, $"seed {seed}, step {step}: {ledger.Count - ledger.Open} answers are kept");
            }
        }
    }

    private static MessageId Id(int n) => MessageId.From(Start.Ticks / Instant.TicksPerMs, (UInt128)n);
}
