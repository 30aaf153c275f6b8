using Mesh30K.Protocol.Identity;
using Mesh30K.Protocol.Signing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh30K.Node.Api.Callers;

/// <summary>Marks an endpoint that agents may call with a signature of their own, beside the operator. It has to ask <see cref="AgentCaller.Of"/> who calls, and to give an agent only what is its own.</summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class)]
public sealed class OpenToAgentsAttribute : Attribute;

/// <summary>The agent whose signature a request has. Immutable.</summary>
/// <param name="Id">The agent.</param>
public sealed record AgentCaller(AgentId Id)
{
    /// <summary>In whose name it acts; never another's.</summary>
    public string Principal { get; } = AgentRequest.PrincipalOf(Id);

    /// <summary>The agent that calls; null when it is the operator.</summary>
    public static AgentCaller? Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Features.Get<AgentCaller>();
    }

    /// <summary>403: what is asked for belongs to somebody else.</summary>
    public Problem OtherPrincipal() => new(
        403, "It belongs to another principal", $"The agent {Id} may use the effects of {Principal} and no others.", $"Give {Principal} as the principal; for all others the operator's key is needed.")
    { Code = "other_principal" };
}

/// <summary>Conventions for endpoints that agents may call.</summary>
public static class AgentConventions
{
    /// <summary>See <see cref="OpenToAgentsAttribute"/>.</summary>
    public static TBuilder OpenToAgents<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new OpenToAgentsAttribute());
}
