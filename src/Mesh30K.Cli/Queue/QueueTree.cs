using System.Text;
using Mesh30K.Node.Api.Channels;

namespace Mesh30K.Cli.Queue;

/// <summary>Draws what waits for what as a tree: under each entry those that wait for it. An entry with several parents stands under the first, and is named under the others.</summary>
internal static class QueueTree
{
    /// <summary>Deeper entries are drawn at this depth: a chain of thousands would walk off the screen.</summary>
    private const int DepthMax = 24;

    public static IEnumerable<string> Lines(GraphView graph)
    {
        Dictionary<string, List<GraphNode>> below = new(StringComparer.Ordinal);
        HashSet<string> known = [.. graph.Nodes.Select(n => n.Id)];
        foreach (GraphNode node in graph.Nodes)
        {
            foreach (string on in node.DependsOn)
            {
                if (!below.TryGetValue(on, out List<GraphNode>? those)) below.Add(on, those = []);
                those.Add(node);
            }
        }
        HashSet<string> drawn = [];
        Stack<(GraphNode Node, string Indent, int Depth, bool Last)> open = new();
        foreach (GraphNode root in graph.Nodes.Where(n => !n.DependsOn.Any(known.Contains)).Reverse()) open.Push((root, "", 0, true));
        while (open.TryPop(out (GraphNode Node, string Indent, int Depth, bool Last) at))
        {
            string branch = at.Depth == 0 ? "" : at.Last ? "└─ " : "├─ ";
            bool again = !drawn.Add(at.Node.Id);
            yield return at.Indent + branch + (again ? $"{at.Node.Id} (above)" : Describe(at.Node));
            if (again || !below.TryGetValue(at.Node.Id, out List<GraphNode>? children)) continue;
            string indent = at.Depth is 0 or >= DepthMax ? at.Indent : at.Indent + (at.Last ? "   " : "│  ");
            for (int i = children.Count - 1; i >= 0; i--) open.Push((children[i], indent, at.Depth + 1, i == children.Count - 1));
        }
    }

    private static string Describe(GraphNode node)
    {
        StringBuilder text = new($"{node.Id} [{node.Status}");
        if (node.ClaimedBy is { } holder) text.Append(" by ").Append(holder);
        else if (node.Agent is { } agent) text.Append(", for ").Append(agent);
        text.Append("] ").Append(node.Text);
        if (node.BlockedBy is { } blockers) text.Append("  (blocked by ").AppendJoin(", ", blockers.Take(3)).Append(blockers.Count > 3 ? ", …)" : ")");
        return text.ToString();
    }
}
