using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh30K.Node.Runtime;

namespace Mesh30K.Node.Ledger;

/// <summary>
/// Makes and reads a group's folder: its own certificate authority, and a pair for each server and for clients (ECDSA P-256). A certificate says in its subject which group and which role it is
/// for; host names in it do not count, so that a group may move.
/// </summary>
public static class GroupFolder
{
    private const string CaPem = "ca.pem";
    private const string CaKey = "ca.key";
    private const int YearsOfLife = 20;

    /// <summary>Most servers that a new group may have: a group of more would be slower and no safer.</summary>
    public const int ServersMax = 5;

    /// <summary>Makes the folder of a new group, whole or not at all. Throws <see cref="GroupFolderException"/> when something is there already.</summary>
    public static GroupFile Create(string folder, IReadOnlyList<GroupServer> servers)
    {
        ArgumentNullException.ThrowIfNull(servers);
        string path = Path.GetFullPath(folder);
        if (File.Exists(path) || (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any()))
            throw new GroupFolderException($"{path} is there already: a group's folder is never overwritten. Name another folder, or move that one away");
        GroupFile file = new(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(10)), servers);
        string beside = $"{path}.{Guid.NewGuid():N}";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            MakeFolder(beside);
            using (ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
            using (X509Certificate2 ca = MakeAuthority(file.Id, key))
            {
                Put(beside, CaPem, Encoding.ASCII.GetBytes(ca.ExportCertificatePem() + "\n"));
                Put(beside, CaKey, Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n"));
                foreach (GroupServer server in servers) PutPair(beside, ca, file.Id, GroupRole.Server(server.Number));
                PutPair(beside, ca, file.Id, GroupRole.Client);
            }
            Put(beside, GroupFile.FileName, file.ToBytes());
            if (Directory.Exists(path)) Directory.Delete(path); // empty
            Directory.Move(beside, path);
            return file;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException && error is not GroupFolderException)
        {
            throw new GroupFolderException($"cannot make {path}: {error.Message}", error);
        }
        finally
        {
            if (Directory.Exists(beside)) Directory.Delete(beside, recursive: true);
        }
    }

    /// <summary>Makes the pair of a server that is to be added. Throws <see cref="GroupFolderException"/> when its number was used, or the authority's key is not here.</summary>
    public static void AddServer(string folder, int number)
    {
        GroupFile file = GroupFile.Read(folder);
        if (file.Servers.Any(s => s.Number == number) || File.Exists(PathOf(folder, GroupRole.Server(number), ".pem")))
            throw new GroupFolderException($"the number {number} was used already: a number is never given to another server. Take a higher one");
        if (!File.Exists(Path.Combine(folder, CaKey))) throw new GroupFolderException($"{folder} has no {CaKey}: a server is added where the group was made");
        using X509Certificate2 ca = ReadPair(Path.Combine(folder, CaPem), Path.Combine(folder, CaKey));
        PutPair(folder, ca, file.Id, GroupRole.Server(number));
    }

    /// <summary>The pair of a role with the group's authority. Throws <see cref="GroupFolderException"/> when a file is missing, wrong, or readable by others.</summary>
    public static GroupIdentity Open(string folder, GroupRole role)
    {
        string path = Path.GetFullPath(folder);
        GroupFile file = GroupFile.Read(path);
        X509Certificate2 own = ReadPair(PathOf(path, role, ".pem"), PathOf(path, role, ".key"));
        try
        {
            X509Certificate2 ca = X509CertificateLoader.LoadCertificate(PemEncodingOf(Path.Combine(path, CaPem)));
            GroupIdentity identity = new(file, role, own, ca);
            return identity.RoleOf(own) == role ? identity : throw new GroupFolderException($"{PathOf(path, role, ".pem")} is not the certificate of {role} of the group {file.Id}");
        }
        catch (Exception error) when (error is not GroupFolderException)
        {
            own.Dispose();
            throw error is IOException or CryptographicException or UnauthorizedAccessException ? new GroupFolderException($"cannot read {Path.Combine(path, CaPem)}: {error.Message}", error) : error;
        }
    }

    private static string PathOf(string folder, GroupRole role, string suffix) =>
        Path.Combine(folder, role.Number == 0 ? "client" + suffix : string.Create(CultureInfo.InvariantCulture, $"server-{role.Number}{suffix}"));

    private static X509Certificate2 MakeAuthority(string group, ECDsa key)
    {
        CertificateRequest request = new(GroupRole.SubjectOf(group, "authority"), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return request.CreateSelfSigned(now.AddDays(-1), now.AddYears(YearsOfLife));
    }

    private static void PutPair(string folder, X509Certificate2 ca, string group, GroupRole role)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new(GroupRole.SubjectOf(group, role.ToString()), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        OidCollection uses = [new Oid("1.3.6.1.5.5.7.3.2")]; // client authentication: servers dial each other
        if (role.Number > 0) uses.Add(new Oid("1.3.6.1.5.5.7.3.1")); // server authentication
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(uses, critical: false));
        using X509Certificate2 certificate = request.Create(ca, DateTimeOffset.UtcNow.AddDays(-1), new DateTimeOffset(ca.NotAfter), RandomNumberGenerator.GetBytes(16));
        Put(folder, Path.GetFileName(PathOf(folder, role, ".key")), Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n"));
        Put(folder, Path.GetFileName(PathOf(folder, role, ".pem")), Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n"));
    }

    private static X509Certificate2 ReadPair(string certificate, string key)
    {
        try
        {
            foreach (string path in (string[])[certificate, key])
            {
                if (!File.Exists(path)) throw new GroupFolderException($"there is no {path}");
                if (RegularFile.WhyNot(path) is { } special) throw new GroupFolderException($"{path} is {special}, not a file");
            }
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(key) & ~AtomicFile.OwnerOnly) != UnixFileMode.None)
                throw new GroupFolderException($"{key} can be read or changed by others: run chmod 600 on it, and if others may have read it, make a new group");
            return X509Certificate2.CreateFromPemFile(certificate, key);
        }
        catch (Exception wrong) when (wrong is CryptographicException or ArgumentException)
        {
            throw new GroupFolderException($"{certificate} and {key} are no pair: {wrong.Message}", wrong);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException && error is not GroupFolderException)
        {
            throw new GroupFolderException($"cannot read {certificate} and {key}: {error.Message}", error);
        }
    }

    private static byte[] PemEncodingOf(string path)
    {
        using X509Certificate2 read = X509Certificate2.CreateFromPem(File.ReadAllText(path));
        return read.RawData;
    }

    private static void MakeFolder(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, AtomicFile.OwnerOnly | UnixFileMode.UserExecute);
    }

    private static void Put(string folder, string name, byte[] content)
    {
        if (!AtomicFile.Write(Path.Combine(folder, name), content, replace: false)) throw new GroupFolderException($"{Path.Combine(folder, name)} is there already");
    }
}
