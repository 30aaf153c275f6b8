using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Mesh30K.Protocol;

/// <summary>Thrown when a machine finds its own state impossible: a bug, never an input error. Stays on in production.</summary>
public sealed class InvariantException(string message) : Exception(message);

/// <summary>Checks that stay on in production: a wrong machine stops rather than going on with wrong state.</summary>
public static class Invariant
{
    public static void Check([DoesNotReturnIf(false)] bool condition, [CallerArgumentExpression(nameof(condition))] string? what = null)
    {
        if (!condition) throw new InvariantException("invariant broken: " + what);
    }
}
