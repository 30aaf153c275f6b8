using Mesh30K.Consistency.Documents;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>A commit, or a virtual base. Its ancestors, itself included, are bits.</summary>
internal sealed record Version(string Content, IReadOnlyList<Version> Parents, UInt128 Ancestors, int Number);

/// <summary>Commits and merges in memory, merged as git's recursive strategy does: the merge bases are merged first, the first with the second and so on.</summary>
internal sealed class History(DocumentType type)
{
    private readonly List<Version> _commits = [];

    public IReadOnlyList<Version> Commits => _commits;

    public Version Commit(string content, params IReadOnlyList<Version> parents)
    {
        UInt128 ancestors = UInt128.One << _commits.Count;
        foreach (Version parent in parents) ancestors |= parent.Ancestors;
        _commits.Add(new Version(content, parents, ancestors, _commits.Count));
        return _commits[^1];
    }

    public static bool Has(Version version, Version ancestor) => (version.Ancestors >> ancestor.Number & 1) != 0;

    /// <summary>What <c>git merge</c> leaves on a branch: nothing new, the other branch as it is, or a merge commit.</summary>
    public Version Merge(Version ours, Version theirs)
    {
        if (Has(ours, theirs)) return ours;
        return Has(theirs, ours) ? theirs : Join(ours, theirs);
    }

    /// <summary>A merge commit that the merge driver made, even where git would not ask for one.</summary>
    public Version Join(Version ours, Version theirs) => Commit(Doc.Merge(type, BaseOf(ours, theirs), ours.Content, theirs.Content), ours, theirs);

    /// <summary>What <c>git cherry-pick</c> leaves on a branch.</summary>
    public Version Pick(Version ours, Version picked) =>
        Commit(Doc.Merge(type, picked.Parents[0].Content, ours.Content, picked.Content), ours);

    /// <summary>What <c>git rebase</c> makes of a branch.</summary>
    public Version Rebase(Version branch, Version onto)
    {
        foreach (Version commit in _commits.ToList())
        {
            if (commit.Parents.Count == 1 && Has(branch, commit) && !Has(onto, commit)) onto = Pick(onto, commit);
        }
        return onto;
    }

    private string BaseOf(Version ours, Version theirs)
    {
        UInt128 common = ours.Ancestors & theirs.Ancestors;
        List<Version> bases = _commits.FindAll(commit => (common >> commit.Number & 1) != 0);
        bases.RemoveAll(commit => bases.Exists(other => other != commit && Has(other, commit)));
        Version merged = bases[0];
        foreach (Version next in bases.Skip(1))
            merged = new Version(Doc.Merge(type, BaseOf(merged, next), merged.Content, next.Content), [merged, next], merged.Ancestors | next.Ancestors, -1);
        return merged.Content;
    }
}
