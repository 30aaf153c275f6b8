namespace Mesh30K.Protocol.Signing;

/// <summary>What an HTTP signature sees of a request (RFC 9421, section 2): not the body, which <see cref="ContentDigest"/> stands for. Immutable.</summary>
/// <param name="Method">As it was sent; its case counts.</param>
/// <param name="Scheme"><c>http</c> or <c>https</c>.</param>
/// <param name="Authority">Host, and port where it was sent: the field <c>Host</c>. Compared in lower case, without the scheme's own port.</param>
/// <param name="Target">Path and query as they were sent: <c>/v1/effects?limit=5</c>. Nothing is decoded.</param>
public sealed record HttpRequestHead(string Method, string Scheme, string Authority, string Target)
{
    /// <summary>The value of a field by its name in lower case, its lines joined by a comma and a space; null when the request does not have it.</summary>
    public Func<string, string?> Field { get; init; } = static _ => null;

    private string NormalAuthority
    {
        get
        {
            string own = Scheme == "https" ? ":443" : ":80";
            string lower = Authority.ToLowerInvariant();
            return lower.EndsWith(own, StringComparison.Ordinal) ? lower[..^own.Length] : lower;
        }
    }

    private int QueryAt => Target.IndexOf('?', StringComparison.Ordinal) is >= 0 and int at ? at : Target.Length;

    /// <summary>Whether it is a derived component that is known here.</summary>
    internal static bool IsDerived(ReadOnlySpan<char> name) => name is "@method" or "@authority" or "@scheme" or "@target-uri" or "@request-target" or "@path" or "@query";

    /// <summary>The value of a component; null when the request does not have it, or it holds what no line of a signature base may: anything but visible ASCII, spaces and tabs.</summary>
    internal string? ValueOf(string component)
    {
        string? value = component switch
        {
            "@method" => Method,
            "@authority" => NormalAuthority,
            "@scheme" => Scheme,
            "@target-uri" => $"{Scheme}://{NormalAuthority}{Target}",
            "@request-target" => Target,
            "@path" => Target[..QueryAt],
            "@query" => QueryAt == Target.Length ? "?" : Target[QueryAt..],
            _ => Field(component)?.Trim(' ', '\t'),
        };
        return value is null || value.AsSpan().IndexOfAnyExcept(HttpSignature.LineChars) >= 0 ? null : value;
    }
}
