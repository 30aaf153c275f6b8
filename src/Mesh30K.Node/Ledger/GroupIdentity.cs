using System.Globalization;
using System.Security.Cryptography.X509Certificates;

namespace Mesh30K.Node.Ledger;

/// <summary>What a certificate of a group is for.</summary>
/// <param name="Number">The server's number; 0 for a client.</param>
public readonly record struct GroupRole(int Number)
{
    /// <summary>Asks; is no member.</summary>
    public static readonly GroupRole Client;

    /// <summary>A coordinator.</summary>
    public static GroupRole Server(int number)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(number);
        return new GroupRole(number);
    }

    public override string ToString() => Number == 0 ? "client" : string.Create(CultureInfo.InvariantCulture, $"server-{Number}");

    internal static X500DistinguishedName SubjectOf(string group, string role) => new($"CN={role}, O=mesh30k {group}");

    internal static GroupRole? Parse(string name)
    {
        if (name == "client") return Client;
        const string Prefix = "server-";
        bool isServer = name.StartsWith(Prefix, StringComparison.Ordinal) && int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out _);
        return isServer && int.Parse(name.AsSpan(Prefix.Length), CultureInfo.InvariantCulture) is > 0 and int number ? Server(number) : null;
    }
}

/// <summary>Who somebody is in a group: its pair, and the authority by which it knows others. Thread-safe.</summary>
public sealed class GroupIdentity : IDisposable
{
    private readonly X509Certificate2 _authority;
    private readonly string _organisation;

    internal GroupIdentity(GroupFile group, GroupRole role, X509Certificate2 own, X509Certificate2 authority)
    {
        (Group, Role, Own, _authority) = (group, role, own, authority);
        _organisation = $"mesh30k {group.Id}";
    }

    public GroupFile Group { get; }

    public GroupRole Role { get; }

    internal X509Certificate2 Own { get; }

    /// <summary>
    /// What a certificate is for in this group; null when this group's authority did not sign it, its time is over, or it says nothing that is known. The host's name does not count.
    /// </summary>
    internal GroupRole? RoleOf(X509Certificate2 certificate)
    {
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        if (!chain.Build(certificate) || chain.ChainElements.Count != 2) return null;
        string? organisation = null, name = null;
        foreach (X500RelativeDistinguishedName part in certificate.SubjectName.EnumerateRelativeDistinguishedNames())
        {
            if (part.HasMultipleElements) return null;
            string? value = part.GetSingleElementValue();
            if (part.GetSingleElementType().Value == "2.5.4.10") organisation = value;
            else if (part.GetSingleElementType().Value == "2.5.4.3") name = value;
        }
        return organisation == _organisation && name is not null ? GroupRole.Parse(name) : null;
    }

    public void Dispose()
    {
        Own.Dispose();
        _authority.Dispose();
    }
}
