using System.Text.Json;

namespace Mesh30K.Architecture.Tests;

/// <summary>
/// The exceptions to the rules, in tests/Architecture.Tests/ratchet.json, each with its exact measure. A measure that grew fails, and so does an entry
/// that could be lowered or removed: the list can only get shorter, and whoever adds to it does so in plain sight.
/// </summary>
internal static class Ratchet
{
    private const string RatchetPath = "tests/Architecture.Tests/ratchet.json";

    /// <summary>The exceptions of one kind: what, and how much of it.</summary>
    public static Dictionary<string, int> Listed(string kind)
    {
        using JsonDocument ratchet = JsonDocument.Parse(Repository.Read(RatchetPath));
        return ratchet.RootElement.GetProperty(kind).EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetInt32(), StringComparer.Ordinal);
    }

    /// <summary>What is above <paramref name="max"/> and not listed, above its entry, or below it.</summary>
    public static IEnumerable<string> Compare(Dictionary<string, int> measured, Dictionary<string, int> listed, int max, string unit)
    {
        foreach ((string name, int amount) in measured)
        {
            int allowed = listed.GetValueOrDefault(name, max);
            if (amount > allowed) yield return $"{name} has {amount} {unit}, more than {allowed}";
            else if (listed.ContainsKey(name) && amount <= max) yield return $"{name} has {amount} {unit}: remove it from {RatchetPath}";
            else if (listed.ContainsKey(name) && amount < allowed) yield return $"{name} has {amount} {unit}: lower it in {RatchetPath}";
        }
        foreach (string name in listed.Keys.Where(n => !measured.ContainsKey(n))) yield return $"{name} is gone: remove it from {RatchetPath}";
    }
}
