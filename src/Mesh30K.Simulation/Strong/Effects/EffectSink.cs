namespace Mesh30K.Simulation.Strong.Effects;

/// <summary>What receives effects outside the mesh.</summary>
/// <param name="honoursKeys">Whether it does a second request with the same key not again, and answers as it did to the first.</param>
internal sealed class EffectSink(bool honoursKeys)
{
    private readonly Dictionary<string, List<string>> _answers = [];

    /// <summary>What it answers to an executor for whom it did it.</summary>
    public static string AnswerOf(string key, string executor) => $"{key} done for {executor}";

    /// <summary>How often the effect was applied.</summary>
    public int Applied(string key) => _answers.TryGetValue(key, out List<string>? answers) ? answers.Count : 0;

    /// <summary>Whether it ever answered so.</summary>
    public bool Answered(string key, string answer) => _answers.TryGetValue(key, out List<string>? answers) && answers.Contains(answer);

    /// <summary>The first answer; null when it was never applied.</summary>
    public string? FirstAnswer(string key) => _answers.TryGetValue(key, out List<string>? answers) ? answers[0] : null;

    /// <summary>Does it, and answers.</summary>
    public string Receive(string key, string executor)
    {
        if (!_answers.TryGetValue(key, out List<string>? answers)) _answers[key] = answers = [];
        else if (honoursKeys) return answers[0];
        answers.Add(AnswerOf(key, executor));
        return answers[^1];
    }
}
