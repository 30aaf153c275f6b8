using System.Buffers.Text;
using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Protocol.Tests.Signing;

/// <summary>Signatures of HTTP requests: the vectors of RFC 9421 and RFC 9530, the form table, and whatever can be changed.</summary>
public sealed class HttpSignatureTests : IDisposable
{
    private const string GoodInput = "sig1=(\"@method\" \"@authority\" \"@path\" \"@query\");created=1618884473;nonce=\"AAAAAAAAAAAAAAAA\";keyid=\"a/k-0123456789abcdef\"";
    private static readonly string GoodSignature = $"sig1=:{new string('A', 86)}==:";
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();

    public void Dispose() => _key.Dispose();

    /// <summary>RFC 9421, B.2: the request of the examples.</summary>
    private static HttpRequestHead RfcRequest => new("POST", "https", "example.com", "/foo?param=Value&Pet=dog")
    {
        Field = name => name switch
        {
            "date" => "Tue, 20 Apr 2021 02:07:55 GMT",
            "content-type" => "application/json",
            "content-digest" => "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
            "content-length" => "18",
            _ => null,
        },
    };

    [Theory]
    [InlineData(Ed25519Libraries.OpenSsl)]
    [InlineData(Ed25519Libraries.Sodium)]
    public void The_ed25519_vector_of_the_RFC_byte_for_byte(string library)
    {
        const string Input = "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
        const string Signature = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:";
        const string Base =
            "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\"content-type\": application/json\n\"content-length\": 18\n"
            + "\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(Ed25519Libraries.Require(library), Base64Url.DecodeFromChars("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"));
        Assert.Equal("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs", key.PublicKey.ToString());

        Assert.Null(HttpSignature.TryParse(Input, Signature, out HttpSignature? read));
        Assert.Null(HttpSignature.TryBase(RfcRequest, read!.Input, out byte[] signed));
        Assert.Equal(Base, Encoding.ASCII.GetString(signed));
        Assert.True(read.Verify(RfcRequest, key.PublicKey));
        HttpSignatureInput input = new() { Components = ["date", "@method", "@path", "@authority", "content-type", "content-length"], Created = 1618884473, KeyId = "test-key-ed25519" };
        HttpSignature made = HttpSignature.Sign(RfcRequest, input, key, "sig-b26");
        Assert.Equal((Input, Signature), (made.ToInputField(), made.ToSignatureField()));
        Assert.Equal((1618884473, null, null, null, "test-key-ed25519", null), (read.Input.Created, read.Input.Expires, read.Input.Nonce, read.Input.Algorithm, read.Input.KeyId, read.Input.Tag));
    }

    /// <summary>RFC 9421, 2.2: each derived component of the examples there.</summary>
    [Theory]
    [InlineData("https", "www.example.com", "/path?param=value", "@target-uri", "https://www.example.com/path?param=value")]
    [InlineData("https", "WWW.Example.com", "/path?param=value", "@authority", "www.example.com")]
    [InlineData("https", "www.example.com:443", "/path", "@authority", "www.example.com")]
    [InlineData("http", "www.example.com:80", "/path", "@authority", "www.example.com")]
    [InlineData("http", "www.example.com:443", "/path", "@authority", "www.example.com:443")]
    [InlineData("http", "[::1]:7300", "/path", "@authority", "[::1]:7300")]
    [InlineData("http", "www.example.com", "/path?param=value", "@scheme", "http")]
    [InlineData("https", "www.example.com", "/path?param=value", "@request-target", "/path?param=value")]
    [InlineData("https", "www.example.com", "/path?param=value", "@path", "/path")]
    [InlineData("https", "www.example.com", "/path?param=value&foo=bar&baz=bat%2Dman", "@query", "?param=value&foo=bar&baz=bat%2Dman")]
    [InlineData("https", "www.example.com", "/path?queryString", "@query", "?queryString")]
    [InlineData("https", "www.example.com", "/path", "@query", "?")]
    [InlineData("https", "www.example.com", "/path?", "@query", "?")]
    public void Derived_components_are_those_of_the_RFC(string scheme, string authority, string target, string component, string value)
    {
        HttpSignatureInput input = new() { Components = [component] };
        Assert.Null(HttpSignature.TryBase(new HttpRequestHead("GET", scheme, authority, target), input, out byte[] signed));
        Assert.Equal($"\"{component}\": {value}\n\"@signature-params\": (\"{component}\")", Encoding.ASCII.GetString(signed));
    }

    [Fact]
    public void Digests_are_those_of_RFC_9530()
    {
        Assert.Equal("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", ContentDigest.Of("{\"hello\": \"world\"}\n"u8));
        Assert.Equal("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", ContentDigest.Of(""u8));
        Assert.True(ContentDigest.IsValid(ContentDigest.Of("x"u8)));
        foreach (string? bad in (string?[])[null, "", "sha-256=", "sha-256=::", "sha-512=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=:",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU:", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, sha-512=:AA==:", " sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"])
            Assert.False(ContentDigest.IsValid(bad), bad);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("sig1")]
    [InlineData("=(\"@method\")")]
    [InlineData("Sig1=(\"@method\")")]
    [InlineData("1=(\"@method\")")]
    [InlineData("sig1=\"@method\"")]
    [InlineData("sig1=(\"@method\"")]
    [InlineData("sig1=(@method)")]
    [InlineData("sig1=(\"@method\"\"@path\")")]
    [InlineData("sig1=(\"@method\"  \"@path\")")]
    [InlineData("sig1=( \"@method\")")]
    [InlineData("sig1=(\"@method\" )")]
    [InlineData("sig1=(\"\")")]
    [InlineData("sig1=(\"@method\" \"@method\")")]
    [InlineData("sig1=(\"@Method\")")]
    [InlineData("sig1=(\"@status\")")]
    [InlineData("sig1=(\"@signature-params\")")]
    [InlineData("sig1=(\"Date\")")]
    [InlineData("sig1=(\"da te\")")]
    [InlineData("sig1=(\"date\";sf)")]
    [InlineData("sig1=(\"@query-param\";name=\"x\")")]
    [InlineData("sig1=(\"@method\") ;created=1")]
    [InlineData("sig1=(\"@method\"); created=1")]
    [InlineData("sig1=(\"@method\");created")]
    [InlineData("sig1=(\"@method\");=1")]
    [InlineData("sig1=(\"@method\");created=\"1\"")]
    [InlineData("sig1=(\"@method\");created=01")]
    [InlineData("sig1=(\"@method\");created=-1")]
    [InlineData("sig1=(\"@method\");created=1.0")]
    [InlineData("sig1=(\"@method\");created=1e3")]
    [InlineData("sig1=(\"@method\");created=253402300800")]
    [InlineData("sig1=(\"@method\");created=9999999999999999999999")]
    [InlineData("sig1=(\"@method\");created=1;created=1")]
    [InlineData("sig1=(\"@method\");keyid=\"a\";keyid=\"a\"")]
    [InlineData("sig1=(\"@method\");keyid=a")]
    [InlineData("sig1=(\"@method\");keyid=\"\"")]
    [InlineData("sig1=(\"@method\");keyid=\"a\\\"b\"")]
    [InlineData("sig1=(\"@method\");keyid=\"a")]
    [InlineData("sig1=(\"@method\");keyid=\"ä\"")]
    [InlineData("sig1=(\"@method\");other=\"a\"")]
    [InlineData("sig1=(\"@method\"), sig2=(\"@method\")")]
    [InlineData("sig1=(\"@method\") ")]
    public void An_input_of_another_form_is_refused(string? input)
    {
        Assert.NotNull(HttpSignature.TryParse(input, GoodSignature, out HttpSignature? read));
        Assert.Null(read);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("sig1=")]
    [InlineData("sig1=::")]
    [InlineData("sig1=:AA==:")]
    [InlineData("sig2")]
    public void A_signature_of_another_form_is_refused(string? signature)
    {
        Assert.NotNull(HttpSignature.TryParse(GoodInput, signature, out _));
        Assert.NotNull(HttpSignature.TryParse(GoodInput, GoodSignature.Replace("sig1", "sig2", StringComparison.Ordinal), out _));
        Assert.NotNull(HttpSignature.TryParse(GoodInput, GoodSignature.Replace("A==", "B==", StringComparison.Ordinal), out _));
        Assert.NotNull(HttpSignature.TryParse(GoodInput, GoodSignature + ", sig2" + GoodSignature[4..], out _));
        Assert.Null(HttpSignature.TryParse(GoodInput, GoodSignature, out _));
    }

    [Fact]
    public void Sizes_have_limits_and_the_limits_themselves_are_taken()
    {
        static string Many(int count) => $"sig1=({string.Join(' ', Enumerable.Range(0, count).Select(i => $"\"f{i}\""))})";
        static string Key(int chars) => $"sig1=(\"@method\");keyid=\"{new string('k', chars)}\"";
        Assert.Null(HttpSignature.TryParse(Many(16), GoodSignature, out _));
        Assert.NotNull(HttpSignature.TryParse(Many(17), GoodSignature, out _));
        Assert.Null(HttpSignature.TryParse(Key(256), GoodSignature, out _));
        Assert.NotNull(HttpSignature.TryParse(Key(257), GoodSignature, out _));
        Assert.Null(HttpSignature.TryParse($"sig1=(\"{new string('f', 64)}\")", GoodSignature, out _));
        Assert.NotNull(HttpSignature.TryParse($"sig1=(\"{new string('f', 65)}\")", GoodSignature, out _));
        string padded = $"sig1=({string.Join(' ', Enumerable.Range(0, 16).Select(i => $"\"{new string('f', 61)}{i:000}\""))})"; // 1,078 characters, each part within its own bound
        Assert.NotNull(HttpSignature.TryParse(padded, GoodSignature, out _));
    }

    /// <summary>A line break in a value would make two lines of the base out of one, and a request that nobody signed.</summary>
    [Theory]
    [InlineData("a\nb")]
    [InlineData("a\rb")]
    [InlineData("a\0b")]
    [InlineData("ä")]
    public void A_value_that_no_line_can_hold_is_never_signed(string value)
    {
        HttpRequestHead request = new("GET", "http", "a", "/") { Field = _ => value };
        Assert.Contains("covers x", HttpSignature.TryBase(request, new HttpSignatureInput { Components = ["x"] }, out _), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => HttpSignature.Sign(request, new HttpSignatureInput { Components = ["x"] }, _key));
        Assert.NotNull(HttpSignature.TryBase(new HttpRequestHead("GET", "http", "a", "/" + value), new HttpSignatureInput { Components = ["@path"] }, out _));
    }

    [Fact]
    public void What_was_signed_is_verified_and_the_same_with_any_part_changed_is_not() =>
        Prop.ForAll<int>(seed =>
        {
            SignedCase made = SignedCase.Of(new Random(seed));
            HttpSignature signed = HttpSignature.Sign(made.Head, made.Input, _key);
            string inputField = signed.ToInputField(), signatureField = signed.ToSignatureField();
            Assert.Null(HttpSignature.TryParse(inputField, signatureField, out HttpSignature? read));
            Assert.True(read!.Verify(made.Head, _key.PublicKey), $"seed {seed}: {inputField}");
            Assert.Equal(made.Input.Text, read.Input.Text);
            foreach ((string what, SignedCase changed) in made.Changes()) Assert.False(read.Verify(changed.Head, _key.PublicKey), $"seed {seed}: {what}");
            using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
            Assert.False(read.Verify(made.Head, other.PublicKey));
            // Any character of either field changed: it is refused, or says something else and does not hold.
            for (int i = 0; i < inputField.Length + signatureField.Length; i++)
            {
                (string input, string signature) = (inputField, signatureField);
                if (i < input.Length) input = Changed(input, i, seed);
                else signature = Changed(signature, i - input.Length, seed);
                if (HttpSignature.TryParse(input, signature, out HttpSignature? odd) is null) Assert.False(odd!.Verify(made.Head, _key.PublicKey), $"seed {seed}: {input} {signature}");
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(40));

    [Fact]
    public void Whatever_is_read_nothing_is_thrown() =>
        Prop.ForAll<int>(seed =>
        {
            Random random = new(seed);
            for (int i = 0; i < 200; i++)
            {
                string input = random.Next(3) == 0 ? Noise(random) : Mixed(GoodInput, random), signature = random.Next(3) == 0 ? Noise(random) : Mixed(GoodSignature, random);
                string? wrong = HttpSignature.TryParse(input, signature, out HttpSignature? read);
                Assert.Equal(wrong is null, read is not null);
                if (read is not null) Assert.False(read.Verify(new HttpRequestHead(Noise(random), Noise(random), Noise(random), Noise(random)) { Field = _ => Noise(random) }, _key.PublicKey));
                Assert.False(ContentDigest.IsValid(Noise(random)));
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));

    private static string Changed(string text, int at, int seed)
    {
        char to = (char)(' ' + ((text[at] - ' ' + 1 + (int)((uint)seed % 94)) % 95));
        return text[..at] + to + text[(at + 1)..];
    }

    private static string Noise(Random random)
    {
        const string Likely = "sig1=();created=\"@:\\ \n\t\0éAZaz09+/";
        return string.Concat(Enumerable.Range(0, random.Next(80)).Select(_ => random.Next(5) == 0 ? (char)random.Next(0x10000) : Likely[random.Next(Likely.Length)]));
    }

    /// <summary>Cuts, doubles and swaps pieces of a good one.</summary>
    private static string Mixed(string good, Random random)
    {
        for (int i = random.Next(4); i > 0; i--)
        {
            int from = random.Next(good.Length), to = random.Next(from, Math.Min(good.Length, from + 30));
            good = random.Next(3) switch { 0 => good[..from] + good[to..], 1 => good[..to] + good[from..], _ => good[..from] + Noise(random) + good[to..] };
            if (good.Length == 0) return "";
        }
        return good;
    }

    /// <summary>A request with what its signature covers.</summary>
    private sealed record SignedCase(HttpRequestHead Head, HttpSignatureInput Input, Dictionary<string, string> Fields)
    {
        internal static SignedCase Of(Random random)
        {
            Dictionary<string, string> fields = new(StringComparer.Ordinal)
            {
                ["content-digest"] = ContentDigest.Of(Encoding.UTF8.GetBytes(Text(random, 40))),
                ["content-type"] = "application/json",
                ["x-" + random.Next(100).ToString(CultureInfo.InvariantCulture)] = "v " + Text(random, 20),
            };
            string target = "/" + Text(random, 20) + (random.Next(2) == 0 ? "" : "?" + Text(random, 20));
            HttpRequestHead head = Request(random.Next(2) == 0 ? "POST" : Text(random, 5), random.Next(2) == 0 ? "http" : "https", $"host{random.Next(100)}:{random.Next(1000, 9999)}", target, fields);
            string[] components = random.Next(2) == 0 ? ["@method", "@target-uri", .. fields.Keys] : ["@path", .. fields.Keys, "@query", "@scheme", "@authority", "@method"];
            random.Shuffle(components);
            HttpSignatureInput input = new()
            {
                Components = components,
                Created = random.NextInt64(HttpSignatureInput.SecondsMax),
                Expires = random.Next(2) == 0 ? random.NextInt64(HttpSignatureInput.SecondsMax) : null,
                Nonce = Text(random, 30),
                Algorithm = random.Next(2) == 0 ? HttpSignature.Algorithm : null,
                KeyId = Text(random, 50),
                Tag = random.Next(2) == 0 ? Text(random, 50) : null,
            };
            return new SignedCase(head, input, fields);
        }

        internal IEnumerable<(string What, SignedCase Changed)> Changes()
        {
            yield return ("method", this with { Head = Head with { Method = Head.Method + "X" } });
            yield return ("method's case", this with { Head = Head with { Method = Head.Method.ToLowerInvariant() == Head.Method ? Head.Method.ToUpperInvariant() : Head.Method.ToLowerInvariant() } });
            yield return ("scheme", this with { Head = Head with { Scheme = Head.Scheme == "http" ? "https" : "http" } });
            yield return ("authority", this with { Head = Head with { Authority = Head.Authority + "0" } });
            yield return ("path", this with { Head = Head with { Target = "/x" + Head.Target } });
            yield return ("query", this with { Head = Head with { Target = Head.Target + (Head.Target.Contains('?', StringComparison.Ordinal) ? "&x" : "?x") } });
            foreach (string name in Fields.Keys)
            {
                yield return ($"field {name}", WithField(name, Fields[name] + "x"));
                yield return ($"field {name} is gone", WithField(name, null));
            }
        }

        private SignedCase WithField(string name, string? value) => this with { Head = Head with { Field = n => n == name ? value : Fields.GetValueOrDefault(n) } };

        private static HttpRequestHead Request(string method, string scheme, string authority, string target, Dictionary<string, string> fields) =>
            new(method, scheme, authority, target) { Field = fields.GetValueOrDefault };

        /// <summary>At least one letter, then what a target and a text may hold.</summary>
        private static string Text(Random random, int charsMax)
        {
            const string Chars = "abcdefghijklmnopqrstuvwxyzABC0123456789-._~%&=+:;,!()*/";
            return "a" + string.Concat(Enumerable.Range(0, random.Next(charsMax)).Select(_ => Chars[random.Next(Chars.Length)]));
        }
    }
}
