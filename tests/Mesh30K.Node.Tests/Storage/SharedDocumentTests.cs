using System.Text;
using Mesh30K.Consistency.Documents;
using Mesh30K.Node.Storage;
using Mesh30K.Node.Tests.Ledger.Group;

namespace Mesh30K.Node.Tests.Storage;

public sealed class SharedDocumentTests : IDisposable
{
    private static readonly byte[] Start = "2026-01-01T00:00:00Z start\n"u8.ToArray();

    private readonly string _folder = Directory.CreateTempSubdirectory("mesh-shared-").FullName;

    private string Log => Path.Combine(_folder, "LOG.md");

    private string Lock => Path.Combine(_folder, ".LOG.md.mesh-lock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_save_from_the_base_is_written_as_it_is_and_a_late_one_is_merged()
    {
        SharedDocument document = new(Log, DocumentType.Log);
        Assert.Empty(document.Read());
        Assert.Equal(SaveOutcome.Written, Save(document, [], Start).Outcome);
        byte[] early = With(Start, 2, "early");
        byte[] late = With(Start, 3, "late");
        Assert.Equal(SaveOutcome.Written, Save(document, Start, early).Outcome);
        SaveReport report = Save(document, Start, late);
        Assert.Equal((SaveOutcome.Merged, 1), (report.Outcome, report.Merge!.Added));
        Assert.Equal(With(early, 3, "late"), document.Read());
        Assert.Equal(document.Read(), report.Content);
        Assert.Equal(SaveOutcome.Unchanged, Save(document, Start, late).Outcome);
        Assert.Equal(SaveOutcome.Unchanged, Save(document, document.Read(), document.Read()).Outcome);
        Assert.Equal(["LOG.md"], Directory.GetFileSystemEntries(_folder).Select(Path.GetFileName));
    }

    [Fact]
    public void What_is_broken_or_gone_is_not_written()
    {
        SharedDocument document = new(Log, DocumentType.Log);
        Assert.Equal(SaveOutcome.Gone, Save(document, Start, Start).Outcome);
        Assert.False(File.Exists(Log));
        File.WriteAllBytes(Log, Start);
        SaveReport broken = Save(document, Start, "<<<<<<< a\n=======\n>>>>>>> b\n"u8);
        Assert.Equal((SaveOutcome.NotMergeable, MergeSide.Theirs), (broken.Outcome, broken.Merge!.Failure!.Side));
        Assert.Equal(SaveOutcome.NotMergeable, Save(document, With(Start, 2, "x"), [0xFF]).Outcome);
        Assert.Equal(Start, document.Read());
    }

    [Fact]
    public async Task Threads_that_save_at_the_same_time_lose_and_double_nothing()
    {
        const int threads = 4;
        const int savesEach = 50;
        File.WriteAllBytes(Log, Start);
        await Task.WhenAll(Enumerable.Range(0, threads).Select(thread => HostGroup.ApartAsync(() =>
        {
            SharedDocument document = new(Log, DocumentType.Log) { WaitMax = TimeSpan.FromSeconds(30) };
            byte[] read = document.Read();
            for (int save = 0; save < savesEach; save++)
            {
                SaveReport report = Save(document, read, With(read, 10 + save, $"thread {thread}"));
                Assert.True(report.Outcome is SaveOutcome.Written or SaveOutcome.Merged, report.ToString());
                read = report.Content!;
            }
            return true;
        })));
        string[] lines = File.ReadAllLines(Log);
        Assert.Equal((threads * savesEach) + 1, lines.Length);
        Assert.Equal(lines.Length, lines.Distinct(StringComparer.Ordinal).Count());
        Assert.False(File.Exists(Lock));
    }

    [Fact]
    public void A_held_lock_makes_it_busy_and_one_that_a_crash_left_behind_does_not()
    {
        File.WriteAllBytes(Log, Start);
        SharedDocument document = new(Log, DocumentType.Log) { WaitMax = TimeSpan.FromMilliseconds(20) };
        using (new FileStream(Lock, FileMode.Create, FileAccess.ReadWrite, FileShare.None))
            Assert.Equal(SaveOutcome.Busy, Save(document, Start, With(Start, 2, "x")).Outcome);
        File.WriteAllText(Path.Combine(_folder, ".LOG.md.mesh-new"), "half a docum");
        Assert.Equal(SaveOutcome.Written, Save(document, Start, With(Start, 2, "x")).Outcome);
        Assert.Equal(["LOG.md"], Directory.GetFileSystemEntries(_folder).Select(Path.GetFileName));
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => document.Save(Start, Start, cancelled.Token));
    }

    [Fact]
    public void A_link_is_written_through_and_the_mode_is_kept()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links and modes are a Unix matter");
        string target = Path.Combine(_folder, "real.md");
        File.CreateSymbolicLink(Log, "real.md");
        SharedDocument document = new(Log, DocumentType.Log);
        Assert.Equal(SaveOutcome.Written, Save(document, [], Start).Outcome);
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(target, mode);
        Assert.Equal(SaveOutcome.Written, Save(document, Start, With(Start, 2, "x")).Outcome);
        Assert.Equal("real.md", new FileInfo(Log).LinkTarget);
        Assert.Equal(With(Start, 2, "x"), File.ReadAllBytes(target));
        if (!OperatingSystem.IsWindows()) Assert.Equal(mode, File.GetUnixFileMode(target));
    }

    [Fact]
    public void A_folder_or_a_device_is_refused()
    {
        Assert.Throws<IOException>(() => new SharedDocument(_folder, DocumentType.Log));
        if (OperatingSystem.IsLinux()) Assert.Throws<IOException>(() => new SharedDocument("/dev/null", DocumentType.Log));
    }

    [Fact]
    public void A_file_or_a_folder_that_may_not_be_written_is_left_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "root may write everything");
        File.WriteAllBytes(Log, Start);
        SharedDocument document = new(Log, DocumentType.Log);
        File.SetAttributes(Log, FileAttributes.ReadOnly);
        Assert.Throws<UnauthorizedAccessException>(() => Save(document, Start, With(Start, 2, "x")));
        File.SetAttributes(Log, FileAttributes.Normal);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_folder, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.Throws<UnauthorizedAccessException>(() => Save(document, Start, With(Start, 2, "x")));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Assert.Equal(Start, document.Read());
    }

    private static SaveReport Save(SharedDocument document, ReadOnlySpan<byte> start, ReadOnlySpan<byte> made) =>
        document.Save(start, made, TestContext.Current.CancellationToken);

    private static byte[] With(byte[] before, int second, string text) =>
        [.. before, .. Encoding.UTF8.GetBytes($"2026-01-01T00:00:{second:00}Z {text}\n")];
}
