using System.Globalization;
using Mesh30K.Consistency.Causal;
using static Mesh30K.Consistency.Tests.Causal.ChannelRun;

namespace Mesh30K.Consistency.Tests.Causal;

/// <summary>Records that no channel wrote. The journal's checksum keeps damage away, so these stand for bugs and newer versions.</summary>
public sealed class ChannelRecordTests
{
    [Fact]
    public void A_record_that_is_cut_or_changed_is_refused_without_a_trace_or_taken_whole()
    {
        Random random = new(7);
        ChannelRun run = Busy();
        for (int at = 0; at < run.Journal.Count; at++)
        {
            Channel channel = From(run.Journal.Take(at));
            string before = Bytes(channel);
            for (int i = 0; i < 60; i++)
            {
                (byte kind, byte[] record) = Mutated(run.Journal[at], random);
                if (Refuses(channel, kind, record))
                {
                    Assert.True(before == Bytes(channel), $"record {at}, change {i}: refused, and changed something");
                    continue;
                }
                string after = Bytes(channel);
                Assert.True(after == Bytes(From([.. channel.Snapshot().Select(r => (r.Kind, r.Payload.ToArray()))])), $"record {at}, change {i}: taken, and the state is not sound");
                channel = From(run.Journal.Take(at));
            }
        }
    }

    [Fact]
    public void A_snapshot_that_is_changed_is_refused_or_gives_exactly_what_it_says()
    {
        Random random = new(8);
        List<(byte Kind, byte[] Record)> snapshot = [.. Busy().Channel.Snapshot().Select(r => (r.Kind, r.Payload.ToArray()))];
        for (int i = 0; i < 3_000; i++)
        {
            List<(byte Kind, byte[] Record)> changed = [.. snapshot];
            int at = random.Next(changed.Count);
            if (random.Next(10) == 0) changed.RemoveAt(at);
            else changed[at] = Mutated(changed[at], random);
            Channel channel = new();
            bool isRefused = changed.Exists(r => Refuses(channel, r.Kind, r.Record));
            if (isRefused || changed[^1].Kind != snapshot[^1].Kind) continue;
            string given = string.Join('\n', changed.Select(r => $"{r.Kind}:{Convert.ToHexString(r.Record)}"));
            Assert.True(given == Bytes(channel), $"change {i} of the record {at}, which was {Convert.ToHexString(snapshot[at].Record)}:\n{given}\n{Bytes(channel)}");
        }
    }

    [Fact]
    public void An_unknown_kind_says_that_a_newer_version_may_have_written_it()
    {
        foreach (byte kind in new byte[] { 0, 15, 31, 36, 255 })
        {
            ChannelRecordException e = Assert.Throws<ChannelRecordException>(() => new Channel().Apply(kind, [1]));
            Assert.Equal($"a channel's record of the unknown kind {kind}; written by a newer mesh?", e.Message);
        }
    }

    private static bool Refuses(Channel channel, byte kind, byte[] record)
    {
        try
        {
            channel.Apply(kind, record);
            return false;
        }
        catch (ChannelRecordException)
        {
            return true;
        }
    }

    private static (byte Kind, byte[] Record) Mutated((byte Kind, byte[] Record) of, Random random)
    {
        List<byte> record = [.. of.Record];
        int at = random.Next(Math.Max(1, record.Count));
        int what = random.Next(12);
        if (what == 0) return ((byte)random.Next(40), of.Record);
        if (what == 1) record.Add((byte)random.Next(256));
        else if (what == 2 && record.Count > 0) record.RemoveRange(at, record.Count - at);
        else if (what == 3 && record.Count > 0) record.RemoveAt(at);
        else if (what == 4) record.Insert(at, (byte)random.Next(256));
        else if (record.Count > 0) record[at] = (byte)(what < 8 ? record[at] ^ (1 << random.Next(8)) : random.Next(256));
        return (of.Kind, [.. record]);
    }

    /// <summary>A channel whose journal has every kind of record, and its state every kind of entry.</summary>
    private static ChannelRun Busy()
    {
        ChannelRun run = new(new ChannelOptions { EndedMax = 3 });
        for (int i = 0; i < 12; i++) run.Do(new ChannelCommand.Push("text é", i % 3 == 0 ? [] : [new(i, default)], i % 4 == 0 ? "ana" : null, "k" + i.ToString(CultureInfo.InvariantCulture), AttemptsMax: 2));
        run.Import("7@bob", "3");
        run.Import("8@bob", "7@bob", "1");
        run.Claim("ana", 3);
        run.Do(new ChannelCommand.Checkpoint(D("1"), 1, "half", Minute));
        run.Do(new ChannelCommand.Renew(D("1"), 1, Minute * 9));
        run.Fail("4", 2, 5);
        run.Do(new ChannelCommand.Release(D("7"), 3));
        run.Seconds = 10;
        run.Claim("ana", 2);
        run.Seconds = 100;
        run.Complete("1", 1);
        run.Claim("ana", 2);
        run.Cancel("11");
        run.Reopen("11");
        run.Cancel("12");
        run.Fail("2", 6);
        run.Push("last");
        run.Claim("bob", 2);
        run.Cancel("9");
        for (long token = 6; token < 11; token++) foreach (ChannelEntry entry in run.Channel.Entries.Where(e => e.Status == EntryStatus.Claimed)) run.Complete(entry.Id.ToString(), token);
        run.Claim("ana", 3);
        run.Do(new ChannelCommand.PushAll([new("old", [], Id: D("9@bob"), Ended: EntryStatus.Failed, Result: "broke"), new("import", [], Id: D("8@bob"), Ended: EntryStatus.Done, Result: "there")]));
        run.Seconds = 200;
        run.Claim("bob");
        Assert.Equal(Enumerable.Range(1, 14).Select(k => (byte)k), run.Journal.Select(r => r.Kind).Distinct().Order());
        return run;
    }
}
