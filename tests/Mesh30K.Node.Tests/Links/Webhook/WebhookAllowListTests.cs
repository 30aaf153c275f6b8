using System.Net;
using Mesh30K.Node.Links.Webhook;

namespace Mesh30K.Node.Tests.Links.Webhook;

public sealed class WebhookAllowListTests
{
    private static readonly string[] Entries =
        ["https://agents.example.com/hooks/", "http://127.0.0.1:9000/", "https://exact.example.com/run", "private:http://inside.example:8080/", "http://[::1]:9001/", "https://bare.example.com"];

    private static WebhookAllowList List
    {
        get
        {
            Assert.Null(WebhookAllowList.TryParse(Entries, out WebhookAllowList list));
            return list;
        }
    }

    [Theory]
    [InlineData("https://agents.example.com/hooks/a")]
    [InlineData("https://AGENTS.example.com:443/hooks/a/b?x=1")]
    [InlineData("http://127.0.0.1:9000/anything")]
    [InlineData("http://127.1:9000/")]
    [InlineData("http://[::1]:9001/x")]
    [InlineData("https://exact.example.com/run")]
    [InlineData("https://exact.example.com/run/it")]
    [InlineData("http://inside.example:8080/x")]
    [InlineData("https://bare.example.com/x")]
    public void What_an_entry_covers_is_allowed(string address) => Assert.Null(List.WhyNot(new Uri(address)));

    [Theory]
    [InlineData("http://agents.example.com/hooks/a")]
    [InlineData("https://agents.example.com:8443/hooks/a")]
    [InlineData("https://agents.example.com/hooks")]
    [InlineData("https://agents.example.com/Hooks/a")]
    [InlineData("https://agents.example.com/other")]
    [InlineData("https://agents.example.com/hooks/../admin")]
    [InlineData("https://agents.example.com/hooks/%2e%2e/admin")]
    [InlineData("https://agents.example.com/hooks/%2E./admin")]
    [InlineData("https://agents.example.com/hooks/..%2fadmin")]
    [InlineData("https://agents.example.com/hooks/..%5cadmin")]
    [InlineData("https://agents.example.com/hooks/.")]
    [InlineData("https://agents.example.com/hooks\\..\\admin")]
    [InlineData("https://agents.example.com.evil.example/hooks/a")]
    [InlineData("https://evil.example/agents.example.com/hooks/")]
    [InlineData("https://agents.example.com@evil.example/hooks/")]
    [InlineData("https://user:secret@agents.example.com/hooks/a")]
    [InlineData("https://agents.example.com/hooks/a#b")]
    [InlineData("https://exact.example.com/runner")]
    [InlineData("http://127.0.0.1:9001/")]
    [InlineData("http://localhost:9000/")]
    [InlineData("http://169.254.169.254/latest/meta-data/")]
    [InlineData("ftp://127.0.0.1:9000/")]
    [InlineData("file:///etc/passwd")]
    public void Everything_else_is_refused(string address) => Assert.NotNull(List.WhyNot(new Uri(address)));

    [Theory]
    [InlineData("agents.example.com")]
    [InlineData("ftp://agents.example.com/")]
    [InlineData("https://")]
    [InlineData("https://user@agents.example.com/")]
    [InlineData("https://agents.example.com/?x=1")]
    [InlineData("https://agents.example.com/#x")]
    [InlineData("https://agents.example.com/a/../b")]
    [InlineData("https://agénts.example.com/")]
    [InlineData("private:agents")]
    [InlineData("")]
    public void A_bad_entry_is_named(string entry)
    {
        string? fault = WebhookAllowList.TryParse(["https://fine.example.com/", entry], out WebhookAllowList list);
        Assert.StartsWith(entry + ": ", fault, StringComparison.Ordinal);
        Assert.True(list.IsEmpty);
    }

    [Fact]
    public void Without_entries_nothing_is_allowed_and_the_hint_names_the_option() =>
        Assert.Contains("--allow-webhook", WebhookAllowList.None.WhyNot(new Uri("https://agents.example.com/")), StringComparison.Ordinal);

    [Fact]
    public void Only_literal_and_marked_entries_may_lead_to_private_addresses()
    {
        WebhookAllowList list = List;
        Assert.True(list.MayBePrivate("127.0.0.1", 9000));
        Assert.True(list.MayBePrivate("::1", 9001) || list.MayBePrivate("[::1]", 9001));
        Assert.True(list.MayBePrivate("inside.example", 8080));
        Assert.False(list.MayBePrivate("agents.example.com", 443));
        Assert.False(list.MayBePrivate("127.0.0.1", 9001));
        Assert.False(list.MayBePrivate("inside.example", 80));
    }

    [Theory]
    [InlineData("1.1.1.1", true)]
    [InlineData("93.184.215.14", true)]
    [InlineData("2606:4700:4700::1111", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.255.0.3", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("172.32.0.1", true)]
    [InlineData("192.168.1.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("198.18.0.1", false)]
    [InlineData("::1", false)]
    [InlineData("::", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fd00::1", false)]
    [InlineData("fec0::1", false)]
    [InlineData("ff02::1", false)]
    [InlineData("::ffff:127.0.0.1", false)]
    [InlineData("::ffff:1.1.1.1", true)]
    [InlineData("64:ff9b::7f00:1", false)]
    [InlineData("2002:7f00:1::", false)]
    [InlineData("2001::1", false)]
    [InlineData("2001:db8::1", false)]
    public void Special_addresses_are_not_public(string address, bool isPublic) => Assert.Equal(isPublic, PublicAddress.Is(IPAddress.Parse(address)));
}
