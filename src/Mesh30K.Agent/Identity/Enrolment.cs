using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;

namespace Mesh30K.Agent.Identity;

/// <summary>Makes an agent known to the mesh with a token: docs/protocol/links.md, Enrolment.</summary>
internal static class Enrolment
{
    private const int AnswerBytesMax = 64 * 1024;
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(15);

    /// <summary>
    /// Enrols and saves. Throws <see cref="MeshRefusedException"/> when the mesh refuses it or is not the one of the token, <see cref="HttpRequestException"/> and <see cref="TimeoutException"/> when there is no answer:
    /// then trying again may help, with the same key.
    /// </summary>
    internal static async Task RunAsync(MeshAgentOptions options, IdentityFolder folder, CancellationToken cancel)
    {
        if (options.Token is not { } token)
            throw new MeshRefusedException("not_enrolled", $"{options.IdentityFolder} holds no identity and there is no token; an operator makes one with: mesh agent enrol NAME");
        TokenParts parts = TokenParts.Parse(token.Trim()) ?? throw new MeshRefusedException("token_unknown", "this is no token: it has the form mt1.MESH.KEY.SECRET");
        AgentId id = options.Id ?? throw new MeshRefusedException("not_enrolled", "the agent's id is needed to enrol: the name that was given to mesh agent enrol");

        Ed25519PrivateKey key = folder.KeyToEnrol();
        byte[] proof = new byte[Ed25519PublicKey.SignatureBytes];
        key.Sign(KeyProof.BytesOf(id, parts.MeshId, key.PublicKey), proof);
        EnrolRequest request = new(token.Trim(), id.Value, key.PublicKey.ToString(), Base64Url.EncodeToString(proof));

        // No redirect is followed: the token is for this node only.
        using HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, ConnectTimeout = Within }) { Timeout = Within, MaxResponseContentBufferSize = AnswerBytesMax };
        using ByteArrayContent body = new(JsonSerializer.SerializeToUtf8Bytes(request, EnrolJson.Default.EnrolRequest));
        body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using HttpResponseMessage response = await http.PostAsync(new Uri(options.Node, "/v1/agents/enrol"), body, cancel).ConfigureAwait(false);
        byte[] answer = await response.Content.ReadAsByteArrayAsync(cancel).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode) throw Refusal((int)response.StatusCode, answer);
        Accept(answer, id, parts, key, folder);
    }

    private static Exception Refusal(int status, byte[] answer)
    {
        EnrolProblem? problem = Read(answer, EnrolJson.Default.EnrolProblem);
        string message = Words.Short(problem?.Detail ?? problem?.Title ?? $"the node answered {status}");
        // Too many requests and errors of the server pass.
        return status is 429 or >= 500 ? new HttpRequestException($"enrolment: {message}") : new MeshRefusedException(problem?.Code ?? "refused", $"enrolment: {message}");
    }

    private static void Accept(byte[] answer, AgentId id, TokenParts parts, Ed25519PrivateKey key, IdentityFolder folder)
    {
        EnrolReply? reply = Read(answer, EnrolJson.Default.EnrolReply);
        if (reply is not { AgentId: { } agent, MeshId: { } mesh, MeshKeys: { } texts }) throw new HttpRequestException("enrolment: the answer is not that of a mesh node");
        if (mesh != parts.MeshId || agent != id.Value) throw new MeshRefusedException("wrong_mesh", "the node that answered is not of the mesh that the token names, or gave another id");
        List<Ed25519PublicKey> meshKeys = [];
        foreach (EnrolMeshKey text in texts)
            if (Ed25519PublicKey.TryParse(text.PublicKey, out Ed25519PublicKey? read) is null) meshKeys.Add(read!);
        // The id is computed from the key itself: what the answer calls it proves nothing.
        if (!meshKeys.Exists(read => read.Id == parts.MeshKey)) throw new MeshRefusedException("wrong_mesh", "the node that answered does not have the key that the token names: somebody may be in between");
        folder.Enrolled(id, mesh, meshKeys, key, Instant.From(reply.RotateBy ?? DateTimeOffset.MaxValue));
    }

    private static T? Read<T>(byte[] utf8, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(utf8, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

internal sealed record EnrolRequest(string Token, string AgentId, string PublicKey, string Proof)
{
    /// <summary>Never shows the token.</summary>
    public override string ToString() => $"EnrolRequest({AgentId})";
}

internal sealed record EnrolReply(string? AgentId, string? MeshId, EnrolMeshKey[]? MeshKeys, DateTimeOffset? RotateBy);

internal sealed record EnrolMeshKey(string? PublicKey);

internal sealed record EnrolProblem(string? Code, string? Title, string? Detail);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(EnrolRequest))]
[JsonSerializable(typeof(EnrolReply))]
[JsonSerializable(typeof(EnrolProblem))]
internal sealed partial class EnrolJson : JsonSerializerContext;
