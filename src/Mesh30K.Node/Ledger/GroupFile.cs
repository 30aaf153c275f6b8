namespace Mesh30K.Node.Ledger;

/// <summary>
/// A group of coordinators as its folder describes it, which <c>mesh coordinator init FOLDER</c> makes: <c>group.json</c> (the group's id and its servers), <c>ca.pem</c> and
/// <c>ca.key</c> (who signs), <c>server-N.pem</c> and <c>server-N.key</c> for each server, <c>client.pem</c> and <c>client.key</c> for clients. Keys have mode 0600. A machine needs group.json,
/// ca.pem and its own pair; ca.key is needed only to add one.
/// </summary>
/// <param name="Id">A random id: servers and clients of another group are refused.</param>
/// <param name="Servers">The first voters. Servers that are added later are in the ledger's own membership.</param>
public sealed record GroupFile(string Id, IReadOnlyList<GroupServer> Servers)
{
    public const string FileName = "group.json";
}

/// <summary>A coordinator.</summary>
/// <param name="Number">From 1; never used again for another.</param>
/// <param name="Host">A name or an address, as clients and other servers reach it.</param>
/// <param name="Port">Of its one listener, for servers and clients alike.</param>
public sealed record GroupServer(int Number, string Host, int Port);
