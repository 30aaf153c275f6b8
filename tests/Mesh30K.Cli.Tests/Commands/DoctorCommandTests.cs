using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Mesh30K.Cli.Config;
using Mesh30K.Cli.Doctor;
using Mesh30K.Node.Api;

namespace Mesh30K.Cli.Tests.Commands;

public sealed class DoctorCommandTests
{
    [Fact]
    public async Task Doctor_tells_every_check_as_json()
    {
        using TemporaryFolder folder = new();
        CommandLineRun run = await CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, "doctor", "--json");
        JsonElement checks = run.Json().GetProperty("checks");
        string[] names = [.. checks.EnumerateArray().Select(c => c.GetProperty("name").GetString()!)];
        Assert.Equal(["dotnet", "cores", "memory", "open_files", "timer", "clock", "port", "key_files", "libcrypto", "ed25519"], names);
        Assert.All(checks.EnumerateArray(), c => Assert.Contains(c.GetProperty("status").GetString(), (string[])["ok", "warn", "fail"]));
        Assert.All(
            checks.EnumerateArray().Where(c => c.GetProperty("status").GetString() != "ok"),
            c => Assert.NotEmpty(c.GetProperty("advice").GetString()!));
        bool failed = checks.EnumerateArray().Any(c => c.GetProperty("status").GetString() == "fail");
        Assert.Equal(failed ? ExitCode.NotAchieved : ExitCode.Ok, run.Exit);
        Assert.Equal(!failed, run.Json().GetProperty("healthy").GetBoolean());
    }

    [Fact]
    public async Task Doctor_for_people_names_every_check()
    {
        CommandLineRun run = await CommandLineRun.OfAsync("doctor");
        foreach (string name in (string[])["dotnet", "timer", "libcrypto"]) Assert.Contains(name, run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', run.Out);
    }

    [Fact]
    public async Task A_key_that_others_may_read_fails_the_doctor()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "file modes are a Unix matter");
        using TemporaryFolder folder = new();
        NodeSettings node = FleetFile.DefaultFor(folder.FullName).Node;
        _ = OperatorKey.LoadOrCreate(node.OperatorKeyFile);
        Assert.Equal(FindingStatus.Ok, MachineChecks.KeyFiles(node).Status);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(node.OperatorKeyFile, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        CommandLineRun run = await CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, "doctor", "--json");
        Assert.Equal(ExitCode.NotAchieved, run.Exit);
        Assert.Contains("chmod 600", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_operator_key_is_seen_before_the_node_starts()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "file modes are a Unix matter");
        using TemporaryFolder folder = new();
        NodeSettings node = FleetFile.DefaultFor(folder.FullName).Node;
        _ = OperatorKey.LoadOrCreate(node.OperatorKeyFile);
        File.WriteAllText(node.OperatorKeyFile, "x");
        Finding finding = MachineChecks.KeyFiles(node);
        Assert.Equal(FindingStatus.Fail, finding.Status);
        Assert.Contains("damaged", finding.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_checks_a_fleet_file()
    {
        using TemporaryFolder folder = new();
        folder.Write("good.yaml", "mesh: {sectors: 2}\n");
        folder.Write("bad.yaml", "mesh: {sectors: none}\n");
        CommandLineRun good = await CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, "doctor", "--fleet", "good.yaml", "--json");
        Assert.Contains("600 agents in 2 sectors", good.Out, StringComparison.Ordinal);
        CommandLineRun bad = await CommandLineRun.WithAsync(MeshCommandLine.Verbs(), folder.FullName, CancellationToken.None, "doctor", "--fleet", "bad.yaml", "--json");
        Assert.Equal(ExitCode.Usage, bad.Exit);
        JsonElement error = bad.Json().GetProperty("error");
        Assert.Equal("fleet_file", error.GetProperty("code").GetString());
        Assert.EndsWith("bad.yaml:1:17: mesh.sectors is \"none\", not a whole number", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    /// <summary>A process whose loader finds files under libsodium's names that are no libraries: as where it is not installed.</summary>
    [Fact]
    public async Task Doctor_warns_where_libsodium_is_not_and_says_what_to_install()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the loader's path is a matter of Linux");
        using TemporaryFolder folder = new();
        foreach (string name in (string[])["libsodium.so.23", "libsodium.so.26"]) folder.Write(name, "");
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "mesh.dll"), "doctor", "--json"]) { WorkingDirectory = folder.FullName, UseShellExecute = false, RedirectStandardOutput = true };
        start.Environment["LD_LIBRARY_PATH"] = folder.FullName;
        using Process doctor = Process.Start(start)!;
        string output = await doctor.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        await doctor.WaitForExitAsync(TestContext.Current.CancellationToken);
        using JsonDocument told = JsonDocument.Parse(output);
        JsonElement check = told.RootElement.GetProperty("checks").EnumerateArray().Single(c => c.GetProperty("name").GetString() == "ed25519");
        Assert.Equal("warn", check.GetProperty("status").GetString());
        Assert.EndsWith(": libsodium is not there", check.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.StartsWith("OpenSSL", check.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Contains("apt install libsodium23", check.GetProperty("advice").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_port_in_use_is_seen()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        Assert.Equal(FindingStatus.Warn, MachineChecks.Port((IPEndPoint)taken.LocalEndpoint).Status);
        Assert.Equal(FindingStatus.Ok, MachineChecks.Port(new IPEndPoint(IPAddress.Loopback, 0)).Status);
        Assert.Equal(FindingStatus.Fail, MachineChecks.Port(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 7300)).Status);
    }

    [Fact]
    public void Figures_are_judged()
    {
        Assert.Equal(FindingStatus.Fail, MachineChecks.Runtime(new Version(9, 0)).Status);
        Assert.Equal(FindingStatus.Warn, MachineChecks.Cores(1).Status);
        Assert.Equal(FindingStatus.Fail, MachineChecks.Memory(200L << 20).Status);
        Assert.Equal(FindingStatus.Warn, MachineChecks.Memory(512L << 20).Status);
        Assert.Equal(FindingStatus.Ok, MachineChecks.Memory(4L << 30).Status);
        Assert.Equal(FindingStatus.Fail, MachineChecks.OpenFiles(256, 100).Status);
        Assert.Equal(FindingStatus.Warn, MachineChecks.OpenFiles(12_000, 12_000).Status);
        Assert.Equal(FindingStatus.Ok, MachineChecks.OpenFiles(12_512, 12_000).Status);
        Assert.Equal(FindingStatus.Warn, MachineChecks.OpenFiles(null, 12_000).Status);
    }
}
