using System.Net;
using System.Text;
using Mesh30K.Node.Api;
using Mesh30K.Node.Tests.Links;

namespace Mesh30K.Node.Tests.Api;

public sealed class EventStreamTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Read(EventStream.Subscription subscription)
    {
        var frames = new List<byte[]>();
        _ = subscription.Read(frames);
        return string.Concat(frames.Select(frame => Encoding.UTF8.GetString(frame)));
    }

    private static string Event(int id) => $"id: e1-{id}\nevent: ack\ndata: {id}\n\n";

    private static void Publish(EventStream stream, int from, int count)
    {
        for (int i = from; i < from + count; i++) Assert.True(stream.Publish("ack", Encoding.UTF8.GetBytes($"{i}")));
    }

    [Fact]
    public void A_slow_reader_loses_the_oldest_and_is_told_how_many()
    {
        var stream = new EventStream("e1", new EventStreamOptions { RecentMax = 3 });
        using EventStream.Subscription slow = stream.TrySubscribe(null)!;
        Publish(stream, 0, 2);
        Assert.Equal(Event(0) + Event(1), Read(slow));
        Publish(stream, 2, 10);
        Assert.Equal("event: dropped\ndata: {\"missed\":7}\n\n" + Event(9) + Event(10) + Event(11), Read(slow));
        Assert.Equal("", Read(slow));
    }

    [Theory]
    [InlineData("e1-3", "4")]
    [InlineData("e1-4", "")]
    [InlineData("e1-0", "missed:1 2 3 4")]
    [InlineData("e0-3", "missed:null 2 3 4")]
    [InlineData("e1-99", "missed:null 2 3 4")]
    [InlineData("nonsense", "missed:null 2 3 4")]
    [InlineData(null, "")]
    public void A_reader_resumes_as_far_as_the_ring_reaches(string? lastEventId, string expected)
    {
        var stream = new EventStream("e1", new EventStreamOptions { RecentMax = 3 });
        Publish(stream, 0, 5);
        using EventStream.Subscription reader = stream.TrySubscribe(lastEventId)!;
        var seen = Read(reader).Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal))
            .Select(line => line["data: ".Length..].Replace("{\"missed\":", "missed:", StringComparison.Ordinal).TrimEnd('}'));
        Assert.Equal(expected, string.Join(' ', seen));
    }

    [Fact]
    public void Data_cannot_end_its_frame_and_is_bounded()
    {
        var stream = new EventStream("e1", new EventStreamOptions { EventBytesMax = 10 });
        using EventStream.Subscription reader = stream.TrySubscribe(null)!;
        Assert.True(stream.Publish("x", "a\n\nid: 9"u8));
        Assert.False(stream.Publish("x", "01234567890"u8));
        Assert.Throws<ArgumentException>(() => stream.Publish("x\nid: 9", "1"u8));
        Assert.Equal("id: e1-0\nevent: x\ndata: a\ndata: \ndata: id: 9\n\n", Read(reader));
    }

    [Fact]
    public async Task Over_http_events_arrive_in_order_with_heartbeats_and_too_many_readers_are_refused()
    {
        var stream = new EventStream("e1", new EventStreamOptions { SubscribersMax = 1, Heartbeat = TimeSpan.FromMilliseconds(20) });
        await using ApiFixture api = await ApiFixture.StartAsync(stream);
        Publish(stream, 0, 3);
        using (var request = new HttpRequestMessage(HttpMethod.Get, "/v1/events"))
        {
            request.Headers.Add("Last-Event-ID", "e1-0");
            using HttpResponseMessage response = await api.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
            Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
            using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(Cancel));
            Assert.Equal(["data: 1", "data: 2"], await NextData(lines, 2));
            using HttpResponseMessage refused = await api.Client.GetAsync("/v1/events", Cancel);
            await ApiFixture.Problem(refused, HttpStatusCode.ServiceUnavailable);
            int heartbeats = 0;
            while (heartbeats < 3) heartbeats += await lines.ReadLineAsync(Cancel).AsTask().WaitAsync(ApiFixture.Generous, Cancel) == ": alive" ? 1 : 0;
            Publish(stream, 3, 1);
            Assert.Equal(["data: 3"], await NextData(lines, 1));
        }

        await LinkFixture.WaitAsync(() => stream.Subscribers == 0, "the reader is gone");
    }

    [Fact]
    public async Task Stopping_the_node_ends_the_streams()
    {
        var stream = new EventStream("e1");
        await using ApiFixture api = await ApiFixture.StartAsync(stream);
        using HttpResponseMessage response = await api.Client.GetAsync("/v1/events", HttpCompletionOption.ResponseHeadersRead, Cancel);
        await api.Host.StopAsync(Cancel).WaitAsync(ApiFixture.Generous, Cancel);
        Assert.Equal(": alive", (await response.Content.ReadAsStringAsync(Cancel).WaitAsync(ApiFixture.Generous, Cancel)).Trim());
        Assert.Equal(0, stream.Subscribers);
    }

    private static async Task<List<string>> NextData(StreamReader lines, int count)
    {
        var data = new List<string>();
        while (data.Count < count)
        {
            string line = (await lines.ReadLineAsync(Cancel).AsTask().WaitAsync(ApiFixture.Generous, Cancel))!;
            if (line.StartsWith("data: ", StringComparison.Ordinal)) data.Add(line);
        }

        return data;
    }
}
