using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Time;
using Mesh30K.Protocol.Identity;

namespace Mesh30K.Node.Api.Channels;

/// <summary>The JSON of channels, snake_case, generated at build time; for the node that writes it, and for clients and the command that read it.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false,
    Converters = [typeof(IsoInstantConverter)])]
[JsonSerializable(typeof(JsonDocument))]
[JsonSerializable(typeof(ReplyView))]
[JsonSerializable(typeof(EntryView))]
[JsonSerializable(typeof(EntryPage))]
[JsonSerializable(typeof(GraphView))]
[JsonSerializable(typeof(ChannelList))]
public sealed partial class ChannelViews : JsonSerializerContext
{
    internal static string NameOf(EntryStatus status) => JsonNamingPolicy.SnakeCaseLower.ConvertName(status.ToString());

    internal static string NameOf(ChannelOutcome outcome) => JsonNamingPolicy.SnakeCaseLower.ConvertName(outcome.ToString());
}

/// <summary>One entry of a channel. Ids are texts: <c>142</c>, or <c>142@ana</c> when the channel has a writer.</summary>
/// <param name="Status">waiting, ready, claimed, done, failed or cancelled.</param>
/// <param name="BlockedBy">The failed and cancelled entries that keep it waiting; absent when there are none, and in the reply to a command.</param>
/// <param name="Token">The fencing token of the last claim; absent when it was never claimed.</param>
/// <param name="Clock">What its writer had seen of the other writers; absent when nothing.</param>
public sealed record EntryView(
    string Id, string Text, string Status, IReadOnlyList<string> DependsOn, string? Agent, string? Key, IReadOnlyList<string>? BlockedBy, string? ClaimedBy, long? Token,
    Instant? LeaseUntil, Instant? RetryAt, int Attempts, int AttemptsMax, string? Checkpoint, string? Result, string? Clock, Instant PushedAt, Instant? EndedAt)
{
    public static EntryView Of(ChannelEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return new EntryView(
            entry.Id.ToString(), entry.Text, ChannelViews.NameOf(entry.Status), Names(entry.DependsOn), entry.Agent, entry.Key,
            entry.BlockedBy.Count == 0 ? null : Names(entry.BlockedBy), entry.ClaimedBy, entry.Token == 0 ? null : entry.Token, entry.LeaseUntil, entry.RetryAt,
            entry.Attempts, entry.AttemptsMax, entry.Checkpoint, entry.Result, entry.Clock.Dots.Length == 0 ? null : entry.Clock.ToString(), entry.PushedAt, entry.EndedAt);
    }

    internal static IReadOnlyList<string> Names(IReadOnlyList<Dot> dots) => [.. dots.Select(d => d.ToString())];
}

/// <summary>What a command brought.</summary>
/// <param name="Outcome"><c>ok</c>, or <c>empty</c>: nothing is ready for this agent. Refusals are problems.</param>
/// <param name="Entries">The entries that it made, claimed or changed, as they are after it.</param>
public sealed record ReplyView(string Outcome, IReadOnlyList<EntryView> Entries)
{
    public static ReplyView Of(ChannelReply reply)
    {
        ArgumentNullException.ThrowIfNull(reply);
        return new ReplyView(ChannelViews.NameOf(reply.Outcome), [.. reply.Entries.Select(EntryView.Of)]);
    }
}

/// <summary>How many entries are in each state; <see cref="Retired"/> ones have ended, and only their numbers are kept.</summary>
public sealed record CountsView(long Waiting, long Ready, long Claimed, long Done, long Failed, long Cancelled, long Retired)
{
    public static CountsView Of(ChannelCounts c) => new(c.Waiting, c.Ready, c.Claimed, c.Done, c.Failed, c.Cancelled, c.Retired);
}

/// <summary>One page of a channel's entries, by number.</summary>
/// <param name="Counts">Of the whole channel.</param>
/// <param name="Total">Entries that match.</param>
/// <param name="NextAfter">What to give as <c>after</c> for the next page; absent at the end.</param>
public sealed record EntryPage(string Channel, string? Writer, CountsView Counts, int Total, IReadOnlyList<EntryView> Entries, string? NextAfter)
{
    /// <summary>A page of a channel. O(entries).</summary>
    public static EntryPage Of(string name, ReplicaId writer, Channel channel, EntryStatus? status, Dot? after, int limit)
    {
        ArgumentNullException.ThrowIfNull(channel);
        List<ChannelEntry> page = [];
        int total = 0;
        foreach (ChannelEntry entry in channel.Entries)
        {
            if (status is not null && entry.Status != status) continue;
            total++;
            if (page.Count <= limit && (after is null || entry.Id > after)) page.Add(entry);
        }
        string? next = page.Count > limit ? page[limit - 1].Id.ToString() : null;
        return new EntryPage(name, writer.IsNone ? null : writer.ToString(), CountsView.Of(channel.Counts), total, [.. page.Take(limit).Select(EntryView.Of)], next);
    }
}

/// <summary>An entry as a node of the graph; its edges are <see cref="DependsOn"/>.</summary>
public sealed record GraphNode(string Id, string Text, string Status, string? Agent, string? ClaimedBy, IReadOnlyList<string> DependsOn, IReadOnlyList<string>? BlockedBy);

/// <summary>What waits for what: the entries that have not ended well, and those on which they depend, by number.</summary>
/// <param name="Truncated">Whether there are more than <see cref="NodesMax"/>; the lowest numbers are here.</param>
public sealed record GraphView(string Channel, IReadOnlyList<GraphNode> Nodes, bool Truncated)
{
    public const int NodesMax = 10_000;

    /// <summary>The graph of a channel. O(entries + edges).</summary>
    public static GraphView Of(string name, Channel channel)
    {
        ArgumentNullException.ThrowIfNull(channel);
        ChannelEntry[] entries = [.. channel.Entries];
        HashSet<Dot> needed = [];
        foreach (ChannelEntry open in entries.Where(e => e.Status != EntryStatus.Done))
        {
            needed.Add(open.Id);
            needed.UnionWith(open.DependsOn);
        }
        ChannelEntry[] shown = [.. entries.Where(e => needed.Contains(e.Id)).Take(NodesMax)];
        GraphNode[] nodes =
        [
            .. shown.Select(e => new GraphNode(
                e.Id.ToString(), e.Text, ChannelViews.NameOf(e.Status), e.Agent, e.ClaimedBy, EntryView.Names(e.DependsOn), e.BlockedBy.Count == 0 ? null : EntryView.Names(e.BlockedBy))),
        ];
        return new GraphView(name, nodes, shown.Length == NodesMax && entries.Count(e => needed.Contains(e.Id)) > NodesMax);
    }
}

/// <summary>A channel in the list; its counts are there when the node has it open.</summary>
public sealed record ChannelSummary(string Channel, string? Writer, CountsView? Counts);

/// <summary>The channels of a node's data directory, by name.</summary>
public sealed record ChannelList(IReadOnlyList<ChannelSummary> Channels);
