using System.Net;

namespace Mesh30K.Node.Links.Webhook;

/// <summary>
/// Which addresses the mesh may call: origins (scheme, host, port) with an optional path prefix, as the operator wrote them. Everything else is refused, so that nobody who may enrol an agent can make the node call what
/// only the node can reach. Immutable, thread-safe.
/// </summary>
/// <remarks>
/// An entry with a name allows addresses on the public internet only; names that resolve to loopback, private, link-local and other special addresses are refused when connecting. An entry whose host is a literal
/// address or <c>localhost</c> means just that; <c>private:</c> before an entry with a name says that it lives on a private network.
/// </remarks>
public sealed class WebhookAllowList
{
    private const string PrivateMark = "private:";
    private const int LengthMax = 2_048;

    private readonly Entry[] _entries;

    private WebhookAllowList(Entry[] entries) => _entries = entries;

    /// <summary>Allows nothing.</summary>
    public static WebhookAllowList None { get; } = new([]);

    /// <summary>Whether nothing is allowed.</summary>
    public bool IsEmpty => _entries.Length == 0;

    /// <summary>Reads entries such as <c>https://agents.example.com/hooks/</c>. Returns what is wrong with the first bad one, or null.</summary>
    public static string? TryParse(IEnumerable<string> texts, out WebhookAllowList list)
    {
        List<Entry> entries = [];
        list = None;
        foreach (string text in texts)
        {
            bool isPrivate = text.StartsWith(PrivateMark, StringComparison.Ordinal);
            string address = isPrivate ? text[PrivateMark.Length..] : text;
            if (Fault(address, out Uri? uri) is { } fault) return $"{text}: {fault}";
            if (uri!.Query.Length > 0) return $"{text}: an allowed address has no query";
            bool isLiteral = uri.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6 || IsLocalhost(uri);
            entries.Add(new Entry(uri.Scheme, uri.IdnHost, uri.Port, uri.AbsolutePath, isPrivate || isLiteral));
        }
        list = new WebhookAllowList([.. entries]);
        return null;
    }

    /// <summary>Why this address may not be called, for people; null when it may.</summary>
    public string? WhyNot(Uri address)
    {
        if (Fault(address.OriginalString, out Uri? uri) is { } fault) return fault;
        foreach (Entry entry in _entries)
            if (entry.Covers(uri!)) return null;
        return _entries.Length == 0
            ? "no webhook is allowed on this node: start it with mesh up --allow-webhook URL"
            : "the address is not among those that the operator allowed (mesh up --allow-webhook URL)";
    }

    /// <summary>Whether a connection to this host and port may lead to an address that is not on the public internet.</summary>
    internal bool MayBePrivate(string host, int port)
    {
        foreach (Entry entry in _entries)
            if (entry.IsPrivate && entry.Port == port && string.Equals(entry.Host, host.Trim('[', ']'), StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }

    /// <summary>What is wrong with an address by itself. Readers disagree about such addresses, and the one who checks must read what the one who calls reads.</summary>
    private static string? Fault(string text, out Uri? uri)
    {
        uri = null;
        if (text.Length > LengthMax) return $"an address has at most {LengthMax} characters";
        foreach (char c in text)
            if (c is <= ' ' or '\\' or > '~') return "an address has no spaces, backslashes or characters beyond ASCII";
        if (!Uri.TryCreate(text, UriKind.Absolute, out uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0) return "not an http or https address";
        if (uri.UserInfo.Length > 0 || text.Contains('@', StringComparison.Ordinal)) return "an address carries no user name or password";
        if (uri.Fragment.Length > 0) return "an address has no fragment";
        string path = text[text.IndexOf("//", StringComparison.Ordinal)..].Split('?', 2)[0];
        foreach (string trick in (string[])["/../", "/./", "%2e", "%2f", "%5c", "%00"])
            if ((path + "/").Contains(trick, StringComparison.OrdinalIgnoreCase)) return "the path has dots or escapes that could lead out of what is allowed";
        return null;
    }

    private static bool IsLocalhost(Uri uri) => string.Equals(uri.IdnHost, "localhost", StringComparison.OrdinalIgnoreCase);

    private sealed record Entry(string Scheme, string Host, int Port, string Path, bool IsPrivate)
    {
        internal bool Covers(Uri uri) =>
            uri.Scheme == Scheme && uri.Port == Port && string.Equals(uri.IdnHost, Host, StringComparison.OrdinalIgnoreCase) && CoversPath(uri.AbsolutePath);

        /// <summary>By whole segments: <c>/hooks</c> covers <c>/hooks/a</c> and not <c>/hooks-of-others</c>.</summary>
        private bool CoversPath(string path) =>
            path.StartsWith(Path, StringComparison.Ordinal) && (Path.EndsWith('/') || path.Length == Path.Length || path[Path.Length] == '/');
    }
}

/// <summary>Which addresses are on the public internet (IANA's registries of special-purpose addresses).</summary>
internal static class PublicAddress
{
    private static readonly IPNetwork[] Special4 =
    [
        .. ((string[])["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
            "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"]).Select(IPNetwork.Parse),
    ];

    /// <summary>Of the one block that is public as a whole, what is not: documentation, benchmarks, and the ways that carry an IPv4 address inside (Teredo, 6to4).</summary>
    private static readonly IPNetwork Public6 = IPNetwork.Parse("2000::/3");

    private static readonly IPNetwork[] Special6 = [.. ((string[])["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]).Select(IPNetwork.Parse)];

    internal static bool Is(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        return address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork
            ? !Array.Exists(Special4, n => n.Contains(address))
            : Public6.Contains(address) && !Array.Exists(Special6, n => n.Contains(address));
    }
}
