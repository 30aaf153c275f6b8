using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Mesh30K.Node.Ledger;

namespace Mesh30K.Cli.Verify.Cluster;

/// <summary>
/// The folders of a group under test. Each server and the clients have a group's folder of their own, in which the others are where the proxies listen: so the product needs no option for that.
/// </summary>
internal static class ClusterFolders
{
    private const int PortsFrom = 12_000;
    private const int PortsTo = 31_000; // below what the system gives to those who connect

    private static readonly JsonSerializerOptions Names = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>A group on free ports of this machine, in a folder <c>group</c>.</summary>
    public static GroupFile Create(string root, int servers)
    {
        HashSet<int> ports = [];
        while (ports.Count < servers)
        {
            int port = Random.Shared.Next(PortsFrom, PortsTo);
            if (IsFree(port)) ports.Add(port);
        }
        return GroupFolder.Create(Direct(root), [.. ports.Select((p, i) => new GroupServer(i + 1, IPAddress.Loopback.ToString(), p))]);
    }

    /// <summary>The group's folder as it is, past the proxies.</summary>
    public static string Direct(string root) => Path.Combine(root, "group");

    /// <summary>Makes a view of the group: 0 is the clients'.</summary>
    public static string MakeView(string root, GroupFile group, int viewer, CutNetwork network)
    {
        string folder = Path.Combine(root, viewer == 0 ? "view-of-clients" : string.Create(CultureInfo.InvariantCulture, $"view-of-{viewer}"));
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.EnumerateFiles(Direct(root))) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        GroupFile view = group with { Servers = [.. group.Servers.Select(s => s.Number == viewer ? s : s with { Port = network.PortFor(viewer, s.Number) })] };
        File.WriteAllBytes(Path.Combine(folder, GroupFile.FileName), JsonSerializer.SerializeToUtf8Bytes(view, Names));
        return folder;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using TcpListener listener = new(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
