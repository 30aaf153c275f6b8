namespace Mesh30K.Protocol.Identity;

/// <summary>
/// The six impedance classes of M 2.2. On the wire: <c>CLASS_A_EDGE</c> … <c>CLASS_F_HUMAN</c>.
/// The numeric values index arrays of <see cref="ImpedanceClasses.Count"/> elements.
/// </summary>
public enum ImpedanceClass : byte
{
    /// <summary>Edge functions: 5–20 ms; routing, light transforms, cache operations.</summary>
    Edge = 0,

    /// <summary>Serverless functions: 50–150 ms; API handlers, integrations.</summary>
    Serverless = 1,

    /// <summary>Long-running containers and VPS: 100–300 ms; complex reasoning, batch work.</summary>
    Persistent = 2,

    /// <summary>GPU boxes: 200–500 ms; embeddings, inference, vision.</summary>
    Gpu = 3,

    /// <summary>Local hardware and IoT: variable, depends on the network.</summary>
    Local = 4,

    /// <summary>Human review queues: seconds to hours; judged against their own baseline, never against score 800.</summary>
    Human = 5,
}
