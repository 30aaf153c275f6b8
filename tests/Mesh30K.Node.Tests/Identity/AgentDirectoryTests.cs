using System.Buffers.Text;
using System.Text;
using Mesh30K.Node.Identity;
using Mesh30K.Node.Storage;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using static Mesh30K.Node.Tests.Identity.DirectoryBox;

namespace Mesh30K.Node.Tests.Identity;

public sealed class AgentDirectoryTests
{
    [Fact]
    public async Task An_enrolled_agent_is_known_and_still_known_after_a_restart()
    {
        await using DirectoryBox box = new();
        List<AgentId> told = [];
        box.Directory.Enrolled = a => told.Add(a.Id);
        using Ed25519PrivateKey key = await box.AddAsync("counter");
        Assert.Equal([new AgentId("counter")], told);
        foreach (bool reopened in (bool[])[false, true])
        {
            if (reopened) await box.ReopenAsync();
            EnrolledAgent agent = Assert.IsType<EnrolledAgent>(box.Directory.Find(new AgentId("counter")));
            Assert.Equal((ImpedanceClass.Serverless, AgentLinkKind.WebSocket, Start, "count"), (agent.Class, agent.Link, agent.EnrolledAt, Assert.Single(agent.Capabilities)));
            Assert.Equal((key.PublicKey, At(30), At(32)), (agent.Keys[0].Key, agent.Keys[0].RotateBy, agent.Keys[0].ValidUntil));
            Assert.Single(box.Directory.All);
            Assert.True(box.IsValid("counter", key, At(32)));
            Assert.False(box.IsValid("counter", key, At(32.001)));
            Assert.False(box.IsValid("other", key, Start));
        }
    }

    [Fact]
    public async Task Each_refusal_has_its_word_and_uses_nothing()
    {
        await using DirectoryBox box = new();
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        using Ed25519PrivateKey other = await box.AddAsync("there");
        string token = await box.TokenAsync();
        string named = await box.TokenAsync("named");
        string stranger = token[..^5] + "AAAAA";
        string otherMesh = "mt1.0000000000000000" + token[20..];
        Assert.Equal("token_unknown", (await box.EnrolAsync(stranger, "a", key)).Code);
        Assert.Equal("token_unknown", (await box.EnrolAsync(otherMesh, "a", key)).Code);
        foreach (string junk in (string[])["", "mt1.", token + "A", new string('é', token.Length), token.ToUpperInvariant()]) Assert.Equal("token_unknown", (await box.EnrolAsync(junk, "a", key)).Code);
        Assert.Equal("token_expired", (await box.EnrolAsync(token, "a", key, At(1.01))).Code);
        Assert.Equal("bad_agent_id", (await box.EnrolAsync(token, null, key)).Code);
        Assert.Equal("bad_agent_id", (await box.EnrolAsync(token, "mesh:0123456789abcdef", key)).Code);
        Assert.Equal("bad_agent_id", (await box.EnrolAsync(token, "MESHed", key)).Code);
        Assert.Equal("bad_agent_id", (await box.EnrolAsync(named, "a", key)).Code);
        Assert.Equal("agent_exists", (await box.EnrolAsync(token, "there", key)).Code);
        Assert.Equal("bad_proof", (await box.EnrolAsync(token, "a", key, proofFor: "b")).Code);
        byte[] small = new byte[32];
        small[0] = 1; // the neutral point
        Assert.Equal("bad_public_key", (await box.Directory.EnrolAsync(token, new AgentId("a"), Base64Url.EncodeToString(small), box.Proof(key, "a"), box.Mesh, Start)).Code);
        foreach (string junk in (string[])["", "!", new string('A', 200), "ééé"])
        {
            Assert.Equal("bad_public_key", (await box.Directory.EnrolAsync(token, new AgentId("a"), junk, box.Proof(key, "a"), box.Mesh, Start)).Code);
            Assert.Equal("bad_proof", (await box.Directory.EnrolAsync(token, new AgentId("a"), key.PublicKey.ToString(), junk, box.Mesh, Start)).Code);
        }
        Assert.Single(box.Directory.All);
        Assert.Null((await box.EnrolAsync(token, "a", key)).Code); // all these tries used nothing
        Assert.Null((await box.EnrolAsync(named, null, key, proofFor: "named")).Code);
        Assert.Equal("token_used", (await box.EnrolAsync(token, "b", key)).Code);
    }

    [Fact]
    public async Task Of_two_who_use_a_token_at_once_one_wins()
    {
        await using DirectoryBox box = new();
        for (int round = 0; round < 20; round++)
        {
            string token = await box.TokenAsync(uses: 3);
            Ed25519PrivateKey[] keys = [.. Enumerable.Range(0, 8).Select(_ => Ed25519PrivateKey.Generate())];
            EnrolResult[] results = await Task.WhenAll(keys.Select((key, i) => Task.Run(() => box.EnrolAsync(token, $"r{round}-{i}", key))));
            Assert.Equal(3, results.Count(r => r.Code is null));
            Assert.Equal(5, results.Count(r => r.Code == "token_used"));
            foreach (Ed25519PrivateKey key in keys) key.Dispose();
        }
        Assert.Equal(60, box.Directory.All.Count);
    }

    [Fact]
    public async Task An_answer_that_got_lost_can_be_asked_for_again_by_the_key_that_was_enrolled()
    {
        await using DirectoryBox box = new();
        string token = await box.TokenAsync();
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        using Ed25519PrivateKey thief = Ed25519PrivateKey.Generate();
        Assert.Null((await box.EnrolAsync(token, "a", key)).Code);
        await box.ReopenAsync();
        Assert.Null((await box.EnrolAsync(token, "a", key)).Code);
        Assert.Equal("token_used", (await box.EnrolAsync(token, "a", thief)).Code);
        string proof = box.Proof(thief, "a");
        Assert.Equal("token_used", (await box.Directory.EnrolAsync(token, new AgentId("a"), key.PublicKey.ToString(), proof, box.Mesh, Start)).Code);
        await box.Directory.RevokeAsync(new AgentId("a"), null, Start);
        Assert.Equal("token_used", (await box.EnrolAsync(token, "a", key)).Code);
    }

    [Fact]
    public async Task A_rotated_key_works_beside_the_new_one_for_the_overlap_and_no_longer()
    {
        await using DirectoryBox box = new();
        using Ed25519PrivateKey first = await box.AddAsync("a");
        using Ed25519PrivateKey second = Ed25519PrivateKey.Generate();
        EnrolledAgent agent = (await box.RotateAsync("a", first, second, At(10))).Agent!;
        Assert.Equal([(At(30), At(12)), (At(40), At(42))], agent.Keys.Select(k => (k.RotateBy, k.ValidUntil)));
        foreach (bool reopened in (bool[])[false, true])
        {
            if (reopened) await box.ReopenAsync(At(11));
            Assert.True(box.IsValid("a", first, At(12)));
            Assert.False(box.IsValid("a", first, At(12.001)));
            Assert.True(box.IsValid("a", second, At(42)));
            Assert.False(box.IsValid("a", second, At(42.001)));
        }
        Assert.Equal("revoked", (await box.RotateAsync("a", first, Ed25519PrivateKey.Generate(), At(13))).Code); // the key that signs is over
        Assert.Equal("bad_public_key", (await box.RotateAsync("a", second, first, At(13))).Code); // back to an old one
        Assert.Null((await box.RotateAsync("a", second, second, At(13))).Code); // asked again: nothing changes
        Assert.Equal(2, box.Directory.Find(new AgentId("a"))!.Keys.Count);
        Assert.Equal("unknown_agent", (await box.RotateAsync("b", second, first, At(13))).Code);
        Assert.Equal("bad_proof", (await box.Directory.RotateAsync(new AgentId("a"), second.PublicKey.Id, Ed25519PrivateKey.Generate().PublicKey.ToString(), box.Proof(second, "a"), box.Mesh, At(13))).Code);
    }

    [Fact]
    public async Task At_most_eight_keys_are_kept_and_ended_ones_go_first()
    {
        await using DirectoryBox box = new();
        Ed25519PrivateKey signs = await box.AddAsync("a");
        List<Ed25519PrivateKey> all = [signs];
        for (int i = 1; i <= 12; i++)
        {
            all.Add(Ed25519PrivateKey.Generate());
            Assert.Null((await box.RotateAsync("a", all[i - 1], all[i], Start + TimeSpan.FromHours(i))).Code);
            if (i == 9) await box.Directory.RevokeAsync(new AgentId("a"), all[5].PublicKey.Id, Start + TimeSpan.FromHours(i));
        }
        IReadOnlyList<EnrolledKey> kept = box.Directory.Find(new AgentId("a"))!.Keys;
        Assert.Equal([4, 6, 7, 8, 9, 10, 11, 12], kept.Select(k => all.FindIndex(a => a.PublicKey.Equals(k.Key))));
        foreach (Ed25519PrivateKey key in all) key.Dispose();
    }

    [Fact]
    public async Task Revocation_wins_at_once_and_after_a_restart()
    {
        await using DirectoryBox box = new();
        List<AgentId> told = [];
        box.Directory.Revoked = told.Add;
        using Ed25519PrivateKey first = await box.AddAsync("a");
        using Ed25519PrivateKey second = Ed25519PrivateKey.Generate();
        using Ed25519PrivateKey third = Ed25519PrivateKey.Generate();
        await box.RotateAsync("a", first, second, At(1));
        Assert.False(await box.Directory.RevokeAsync(new AgentId("a"), third.PublicKey.Id, At(2)));
        Assert.False(await box.Directory.RevokeAsync(new AgentId("nobody"), null, At(2)));
        Assert.Empty(told);
        Assert.True(await box.Directory.RevokeAsync(new AgentId("a"), first.PublicKey.Id, At(2)));
        Assert.Equal("revoked", (await box.RotateAsync("a", first, third, At(2))).Code);
        foreach (bool reopened in (bool[])[false, true])
        {
            if (reopened) await box.ReopenAsync();
            Assert.Equal((false, true), (box.IsValid("a", first, At(2)), box.IsValid("a", second, At(2))));
        }
        box.Directory.Revoked = told.Add;
        Assert.True(await box.Directory.RevokeAsync(new AgentId("a"), null, At(3)));
        Assert.Equal(2, told.Count);
        Assert.Equal("revoked", (await box.RotateAsync("a", second, third, At(3))).Code);
        Assert.Equal("agent_exists", (await box.EnrolAsync(await box.TokenAsync(now: At(3)), "a", third, At(3))).Code);
        Assert.Equal("agent_exists", (await box.Directory.AddPersonAsync(new AgentId("a"), [], At(3))).Code);
        await box.ReopenAsync();
        Assert.False(box.IsValid("a", second, At(3)));
        Assert.Equal(At(3), box.Directory.Find(new AgentId("a"))!.RevokedAt);
    }

    [Fact]
    public async Task A_person_has_no_key()
    {
        await using DirectoryBox box = new();
        EnrolledAgent person = (await box.Directory.AddPersonAsync(new AgentId("ana"), ["approve"], Start)).Agent!;
        Assert.Equal((ImpedanceClass.Human, AgentLinkKind.Person, 0), (person.Class, person.Link, person.Keys.Count));
        Assert.Equal("agent_exists", (await box.Directory.AddPersonAsync(new AgentId("ana"), [], Start)).Code);
        Assert.Equal("bad_agent_id", (await box.Directory.AddPersonAsync(new AgentId("meshed"), [], Start)).Code);
        await box.ReopenAsync();
        Assert.Equal(AgentLinkKind.Person, box.Directory.Find(new AgentId("ana"))!.Link);
    }

    [Fact]
    public async Task Full_houses_refuse_agents_and_push_out_tokens()
    {
        await using DirectoryBox box = new(new DirectoryOptions { AgentsMax = 2, TokensMax = 3 });
        using Ed25519PrivateKey a = await box.AddAsync("a");
        using Ed25519PrivateKey b = await box.AddAsync("b");
        string soon = await box.TokenAsync(validDays: 0.1), late = await box.TokenAsync(validDays: 2);
        Assert.Equal("directory_full", (await box.EnrolAsync(late, "c", a)).Code);
        Assert.Equal("directory_full", (await box.Directory.AddPersonAsync(new AgentId("c"), [], Start)).Code);
        string later = await box.TokenAsync(validDays: 3), latest = await box.TokenAsync(validDays: 4);
        Assert.Equal("token_unknown", (await box.EnrolAsync(soon, "c", a)).Code);
        foreach (string token in (string[])[late, later, latest]) Assert.Equal("directory_full", (await box.EnrolAsync(token, "c", a)).Code);
    }

    [Fact]
    public async Task No_secret_is_in_any_file_but_the_mesh_key()
    {
        await using DirectoryBox box = new();
        string token = await box.TokenAsync("a");
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        EnrolResult result = await box.EnrolAsync(token, "a", key);
        string secret = token[(token.LastIndexOf('.') + 1)..];
        string pem = box.Mesh.Signing.ToPem().Split('\n')[1];
        int files = 0;
        foreach (string file in Directory.GetFiles(box.Data, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)))
        {
            using FileStream open = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using MemoryStream bytes = new();
            await open.CopyToAsync(bytes, TestContext.Current.CancellationToken);
            string text = Encoding.Latin1.GetString(bytes.ToArray());
            Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
            Assert.Equal(Path.GetFileName(file) == "mesh.key", text.Contains(pem, StringComparison.Ordinal));
            files++;
        }
        Assert.True(files >= 3);
        Assert.DoesNotContain(pem, box.Mesh.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(secret, result.ToString() + (await box.EnrolAsync(token, "b", key)).Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_owner_is_refused_and_damage_is_told()
    {
        await using DirectoryBox box = new();
        using Ed25519PrivateKey key = await box.AddAsync("a");
        Assert.Equal("busy", Assert.Throws<JournalException>(() => AgentDirectory.Open(box.Data, Start)).Code);
        using Ed25519PrivateKey other = await box.AddAsync("b");
        DirectoryInfo copy = box.Copy();
        string segment = Directory.GetFiles(Path.Combine(copy.FullName, "identity"), "*.segment").Single();
        byte[] bytes = await File.ReadAllBytesAsync(segment, TestContext.Current.CancellationToken);
        bytes[200] ^= 1;
        await File.WriteAllBytesAsync(segment, bytes, TestContext.Current.CancellationToken);
        JournalException damage = Assert.Throws<JournalException>(() => AgentDirectory.Open(copy.FullName, Start));
        Assert.Equal("damaged", damage.Code);
        Assert.Contains(".segment", damage.Message, StringComparison.Ordinal);
        copy.Delete(recursive: true);
    }

    [Fact]
    public async Task A_record_of_a_newer_version_is_refused()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("mesh-identity-");
        using (JournalFolder journal = JournalFolder.Open(Path.Combine(folder.FullName, "identity")))
        {
            Assert.True(journal.TryLock(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken));
            journal.CatchUp(new DirectoryReader());
            journal.Append(2, "{}"u8);
            journal.Commit();
        }
        Assert.Contains("newer", Assert.Throws<JournalException>(() => AgentDirectory.Open(folder.FullName, Start)).Message, StringComparison.Ordinal);
        folder.Delete(recursive: true);
    }
}
