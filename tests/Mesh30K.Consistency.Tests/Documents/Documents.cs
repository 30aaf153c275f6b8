using System.Text;
using Mesh30K.Consistency.Documents;

namespace Mesh30K.Consistency.Tests.Documents;

/// <summary>Documents as text.</summary>
internal static class Doc
{
    public static MergeReport Report(DocumentType type, string start, string ours, string theirs, MergeOptions? options = null)
    {
        MergeReport report = DocumentMerge.Merge(type, Bytes(start), Bytes(ours), Bytes(theirs), options ?? new MergeOptions());
        MergeReport mirrored = DocumentMerge.Merge(type, Bytes(start), Bytes(theirs), Bytes(ours), options ?? new MergeOptions());
        Assert.Equal(report.Failure is null, mirrored.Failure is null);
        Assert.Equal(report.Failure is null ? Text(report.Content!) : null, mirrored.Failure is null ? Text(mirrored.Content!) : null);
        return report;
    }

    /// <summary>The merged text, which must be the same from either side.</summary>
    public static string Merge(DocumentType type, string start, string ours, string theirs)
    {
        MergeReport report = Report(type, start, ours, theirs);
        Assert.True(report.Failure is null, report.Failure?.ToString());
        return Text(report.Content!);
    }

    public static void Fails(DocumentType type, string start, string ours, string theirs, string code, MergeSide side, int line)
    {
        DocumentFailure? failure = Report(type, start, ours, theirs).Failure;
        Assert.NotNull(failure);
        Assert.Equal((code, side, line), (failure.Code, failure.Side, failure.Line));
        Assert.NotEmpty(failure.Message);
        Assert.NotEmpty(failure.Hint);
    }

    public static List<string> Elements(DocumentType type, string text) =>
        [.. DocumentMerge.Elements(type, Bytes(text)).Select(element => $"{element.Key} = {element.Value}")];

    /// <summary>Latin letters stand for themselves; a lone surrogate, which no file can hold, is refused by the encoder.</summary>
    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    public static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);
}
