using Mesh30K.Node.Identity;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using static Mesh30K.Node.Tests.Identity.DirectoryBox;

namespace Mesh30K.Node.Tests.Identity;

public sealed class DirectoryCrashTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_crash_after_any_answer_loses_nothing_that_was_answered()
    {
        await using DirectoryBox box = new();
        List<(DirectoryInfo Copy, string Expected)> crashes = [];
        string token = await box.TokenAsync(uses: 2);
        using Ed25519PrivateKey one = Ed25519PrivateKey.Generate(), two = Ed25519PrivateKey.Generate(), three = Ed25519PrivateKey.Generate();
        Func<Task>[] steps =
        [
            async () => Assert.Null((await box.EnrolAsync(token, "a", one)).Code),
            async () => Assert.Null((await box.EnrolAsync(token, "b", two)).Code),
            async () => Assert.Null((await box.RotateAsync("a", one, three, Start)).Code),
            async () => Assert.True(await box.Directory.RevokeAsync(new AgentId("a"), one.PublicKey.Id, Start)),
            async () => Assert.Null((await box.Directory.AddPersonAsync(new AgentId("ana"), [], Start)).Code),
            async () => Assert.True(await box.Directory.RevokeAsync(new AgentId("b"), null, Start)),
        ];
        foreach (Func<Task> step in steps)
        {
            await step();
            crashes.Add((box.Copy(), Picture(box.Directory)));
        }
        Assert.Equal(crashes.Count, crashes.Select(c => c.Expected).Distinct(StringComparer.Ordinal).Count());
        for (int i = 0; i < crashes.Count; i++)
        {
            (DirectoryInfo copy, string expected) = crashes[i];
            string segment = Directory.GetFiles(Path.Combine(copy.FullName, "identity"), "*.segment").Single();
            byte[] bytes = await File.ReadAllBytesAsync(segment, Cancel);
            byte[] later = i + 1 < crashes.Count ? await File.ReadAllBytesAsync(Path.Combine(crashes[i + 1].Copy.FullName, "identity", Path.GetFileName(segment)), Cancel) : bytes;
            foreach (byte[] torn in (byte[][])[[], later[bytes.Length..((bytes.Length + later.Length) / 2)], new byte[500]])
            {
                await File.WriteAllBytesAsync(segment, [.. bytes, .. torn], Cancel);
                await using AgentDirectory again = AgentDirectory.Open(copy.FullName, Start);
                Assert.Equal(expected, Picture(again));
                EnrolResult third = await again.EnrolAsync(token, new AgentId("c"), three.PublicKey.ToString(), box.Proof(three, "c"), box.Mesh, Start);
                Assert.Equal(expected.Contains("b:", StringComparison.Ordinal) ? "token_used" : null, third.Code);
            }
            await File.WriteAllBytesAsync(segment, bytes, Cancel); // as the step before needs it
        }
        foreach ((DirectoryInfo copy, _) in crashes) copy.Delete(recursive: true);
    }

    [Fact]
    public async Task A_tail_that_is_cut_at_any_byte_takes_the_last_step_whole_or_not_at_all()
    {
        await using DirectoryBox box = new();
        string token = await box.TokenAsync();
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        DirectoryInfo before = box.Copy();
        string name = Path.GetFileName(Directory.GetFiles(box.JournalPath, "*.segment").Single());
        long from = new FileInfo(Path.Combine(before.FullName, "identity", name)).Length;
        before.Delete(recursive: true);
        Assert.Null((await box.EnrolAsync(token, "a", key)).Code);
        long to = new FileInfo(Path.Combine(box.JournalPath, name)).Length;
        for (long length = from; length <= to; length += length + 41 > to && length < to ? to - length : 41)
        {
            DirectoryInfo copy = box.Copy();
            using (FileStream file = new(Path.Combine(copy.FullName, "identity", name), FileMode.Open)) file.SetLength(length);
            await using AgentDirectory again = AgentDirectory.Open(copy.FullName, Start);
            bool isThere = again.Find(new AgentId("a")) is not null;
            Assert.Equal(length == to, isThere);
            EnrolResult other = await again.EnrolAsync(token, new AgentId("b"), key.PublicKey.ToString(), box.Proof(key, "b"), box.Mesh, Start);
            Assert.Equal(isThere ? "token_used" : null, other.Code); // the use of the token went with the agent
            copy.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Epochs_rise_over_restarts_crashes_torn_tails_and_backups()
    {
        await using DirectoryBox box = new(new DirectoryOptions { EpochBlock = 8 });
        HashSet<long> given = [];
        long highest = 0;
        DirectoryInfo backup = box.Copy();
        for (int round = 0; round < 12; round++)
        {
            for (int i = 0; i < 3 + (round * 5 % 17); i++) Take(box.Directory);
            if (round % 3 == 0) await box.ReopenAsync();
            if (round % 3 != 1) continue;
            DirectoryInfo crash = box.Copy();
            string segment = Directory.GetFiles(Path.Combine(crash.FullName, "identity"), "*.segment").Single();
            await using (FileStream tail = new(segment, FileMode.Append)) await tail.WriteAsync(new byte[64], Cancel);
            await using AgentDirectory again = AgentDirectory.Open(crash.FullName, Start, box.Options);
            long next = again.NextEpoch();
            Assert.True(next > highest, $"{next} after {highest}");
            crash.Delete(recursive: true);
        }
        await using (AgentDirectory restored = AgentDirectory.Open(backup.FullName, Start.PlusMs(1_000), box.Options))
        {
            Assert.True(restored.NextEpoch() > highest); // a second later: the clock's part is above what was given
        }
        backup.Delete(recursive: true);

        void Take(AgentDirectory from)
        {
            long epoch = from.NextEpoch();
            Assert.True(epoch > highest && given.Add(epoch) && epoch < 1L << 53);
            highest = epoch;
        }
    }

    [Fact]
    public async Task Epochs_are_given_once_to_many_callers()
    {
        await using DirectoryBox box = new(new DirectoryOptions { EpochBlock = 16 });
        long[][] taken = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Enumerable.Range(0, 200).Select(_ => box.Directory.NextEpoch()).ToArray())));
        Assert.All(taken, t => Assert.Equal(t.Order(), t));
        Assert.Equal(1_600, taken.SelectMany(t => t).Distinct().Count());
    }

    [Fact]
    public void A_clock_that_is_centuries_off_does_not_use_the_epochs_up()
    {
        EpochSource source = new(0, Instant.MaxValue, 4, _ => Task.CompletedTask);
        Assert.Equal((1L << 52) + 1, source.Next());
        EpochSource early = new(77, new Instant(-5), 4, _ => Task.CompletedTask);
        Assert.Equal(78, early.Next());
    }

    [Fact]
    public async Task A_reservation_that_fails_gives_nothing_and_is_tried_again()
    {
        bool fails = true;
        EpochSource source = new(0, new Instant(0), 4, _ => fails ? Task.FromException(new JournalException("full", "no room")) : Task.CompletedTask);
        Assert.Equal("full", Assert.Throws<JournalException>(() => source.Next()).Code);
        fails = false;
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9], Enumerable.Range(0, 9).Select(_ => source.Next()));
        await Task.CompletedTask;
    }

    [Fact]
    public async Task The_journal_is_compacted_when_it_has_grown()
    {
        await using DirectoryBox box = new(new DirectoryOptions { CompactBytes = 20_000, EpochBlock = 2 });
        using Ed25519PrivateKey key = await box.AddAsync("a");
        string token = await box.TokenAsync(uses: 2);
        for (int i = 0; i < 2_000; i++) box.Directory.NextEpoch();
        long highest = box.Directory.NextEpoch();
        long bytes = Directory.GetFiles(box.JournalPath, "*.segment").Sum(f => new FileInfo(f).Length);
        Assert.True(bytes < 60_000, $"{bytes} bytes");
        await box.ReopenAsync();
        Assert.True(box.Directory.NextEpoch() > highest);
        Assert.True(box.IsValid("a", key, Start));
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        Assert.Null((await box.EnrolAsync(token, "b", other)).Code);
        Assert.Null(box.Directory.NotReadyBecause);
    }

    /// <summary>Everything that can be read, as text.</summary>
    internal static string Picture(AgentDirectory directory) => string.Join(
        '\n',
        directory.All.OrderBy(a => a.Id.Value, StringComparer.Ordinal).Select(a =>
            $"{a.Id}: {a.Class} {a.Link} {a.EnrolledAt} {a.RevokedAt} {string.Join(' ', a.Capabilities)} {string.Join(' ', a.Keys.Select(k => $"{k.Key.Id},{k.AddedAt},{k.RotateBy},{k.ValidUntil},{k.RevokedAt}"))}"));
}
