using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Mesh30K.Cli.Config;
using Mesh30K.Node.Api;
using Mesh30K.Node.Links;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Cli.Doctor;

/// <summary>What the machine offers: runtime, cores, memory, open files, port, files, OpenSSL, libsodium. Each check reads or tries the real thing.</summary>
public static class MachineChecks
{
    private const long MiB = 1024 * 1024;
    private const long MemoryForFullFleetMiB = 300;
    private const long MemoryComfortMiB = 1024;
    private const int OpenFilesLeast = 1024;
    private const int RuntimeMajorLeast = 10;
    private const UnixFileMode OthersMay = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    public static Finding Runtime(Version version)
    {
        const string name = "dotnet";
        string detail = $".NET {version}";
        return version.Major >= RuntimeMajorLeast ? Finding.Ok(name, detail) : Finding.Fail(name, detail, "Install the .NET 10 SDK.");
    }

    public static Finding Cores(int count)
    {
        const string name = "cores";
        return count >= 2
            ? Finding.Ok(name, $"{count} usable")
            : Finding.Warn(name, $"{count} usable", "Give the process 2 cores or more: one releases sends while another gathers acks.");
    }

    /// <summary>Judges the memory that the process may use (a container's limit counts).</summary>
    public static Finding Memory(long availableBytes)
    {
        const string name = "memory";
        long mib = availableBytes / MiB;
        string detail = $"{mib} MiB usable";
        if (mib < MemoryForFullFleetMiB) return Finding.Fail(name, detail, $"30,000 agents in process need about {MemoryForFullFleetMiB} MiB.");
        return mib < MemoryComfortMiB
            ? Finding.Warn(name, detail, "Enough for 30,000 agents, not for simulations of millions.")
            : Finding.Ok(name, detail);
    }

    /// <summary>Judges the limit of open files against the agents that may connect: each WebSocket takes one. Null where the system does not tell.</summary>
    public static Finding OpenFiles(long? limit, int agentsMax)
    {
        const string name = "open_files";
        long needed = (long)agentsMax + AgentLinkOptions.FilesReserved;
        if (limit is not { } known) return Finding.Warn(name, "this system does not tell its limit", $"Check with `ulimit -n`; {agentsMax} WebSocket agents need {needed}.");
        int agents = ProcessLimits.ConnectionsWithin(agentsMax, known);
        string detail = $"limit {known}: {agents} WebSocket agents";
        string advice = $"Raise it with `ulimit -n {needed}`: node.agents_max is {agentsMax}.";
        if (known < OpenFilesLeast) return Finding.Fail(name, detail, advice);
        return agents < agentsMax ? Finding.Warn(name, detail, advice) : Finding.Ok(name, detail);
    }

    /// <summary>Tries to listen where the node would.</summary>
    public static Finding Port(IPEndPoint at)
    {
        const string name = "port";
        if (!IPAddress.IsLoopback(at.Address))
            return Finding.Fail(name, $"{at} can be reached from other machines", "The node refuses that without TLS. Set node.listen to 127.0.0.1 and a port.");
        try
        {
            using TcpListener listener = new(at);
            listener.ExclusiveAddressUse = true;
            listener.Start();
            return Finding.Ok(name, $"{at} is free");
        }
        catch (SocketException refused) when (refused.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return Finding.Warn(name, $"{at} is in use", "A node may be running already; otherwise choose another port in node.listen of the fleet file.");
        }
        catch (SocketException refused)
        {
            return Finding.Fail(name, $"{at}: {refused.SocketErrorCode}", "Choose an address of this machine in node.listen of the fleet file.");
        }
    }

    /// <summary>
    /// The operator's key has to be one that the node would take, and no key file (<c>*.key</c>) in the data directory may be open to others.
    /// </summary>
    public static Finding KeyFiles(NodeSettings node)
    {
        const string name = "key_files";
        if (File.Exists(node.DataDirectory)) return Finding.Fail(name, $"{node.DataDirectory} is a file", "Choose another node.data_dir in the fleet file.");
        if (!Directory.Exists(node.DataDirectory)) return Finding.Ok(name, $"no data directory yet ({node.DataDirectory})");
        if (OperatingSystem.IsWindows()) return Finding.Warn(name, "not checked on Windows", "See to it that only you may read the data directory.");
        try
        {
            List<string> keys = [.. Directory.EnumerateFiles(node.DataDirectory, "*.key", SearchOption.AllDirectories)];
            string? open = keys.Find(k => !OperatingSystem.IsWindows() && (File.GetUnixFileMode(k) & OthersMay) != UnixFileMode.None);
            if (open is not null) return Finding.Fail(name, $"others may use {open}", $"Run `chmod 600 '{open}'`, and rotate the key if others use this machine.");
            if (File.Exists(node.OperatorKeyFile)) _ = OperatorKey.Load(node.OperatorKeyFile);
            return Finding.Ok(name, $"{keys.Count} key files, none open to others");
        }
        catch (OperatorKeyException unusable)
        {
            return Finding.Fail(name, unusable.Message, $"The node would not start with {node.OperatorKeyFile} as it is.");
        }
        catch (Exception denied) when (denied is IOException or UnauthorizedAccessException)
        {
            return Finding.Fail(name, denied.Message, "Run as the owner of the data directory.");
        }
    }

    /// <summary>Signatures need OpenSSL 3.</summary>
    public static Finding LibCrypto()
    {
        const string name = "libcrypto";
        foreach (string library in (string[])["libcrypto.so.3", "libcrypto.3.dylib", "libcrypto-3-x64.dll"])
        {
            if (!NativeLibrary.TryLoad(library, out nint handle)) continue;
            NativeLibrary.Free(handle);
            return Finding.Ok(name, library);
        }
        return Finding.Warn(name, "OpenSSL 3 not found", "Install OpenSSL 3 (libcrypto.so.3): without it agents cannot be identified by Ed25519 keys.");
    }

    /// <summary>Which library signs and verifies: with libsodium a core verifies half as much again.</summary>
    public static Finding Ed25519()
    {
        const string name = "ed25519";
        try
        {
            return Ed25519Library.WhyNotSodium is { } why
                ? Finding.Warn(name, $"{Ed25519Library.InUse}: {why}", "Install libsodium 1.0.18 (`apt install libsodium23`): signatures then take three fifths of the time.")
                : Finding.Ok(name, Ed25519Library.InUse);
        }
        catch (PlatformNotSupportedException neither)
        {
            return Finding.Warn(name, "no library", neither.Message);
        }
    }
}
