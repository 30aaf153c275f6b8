namespace Mesh30K.Node.Ledger.Links;

/// <summary>
/// The first message of each side of a link: which version it speaks, of which group it is, who speaks, and to whom. The certificates have said most of it already; this tells the two apart that
/// were set up wrongly, and the versions.
/// </summary>
/// <param name="From">The sender's number; 0 for a client.</param>
/// <param name="To">Whom the sender means; 0 in an answer to a client.</param>
internal sealed record LinkHello(string Group, int From, int To)
{
    internal const byte Kind = 0;
    internal const int Version = 1;

    internal void Write(LinkBuffer buffer) => buffer.Begin(Kind).Number(Version).Text(Group).Number(From).Number(To).End();

    /// <summary>Reads a hello that is a whole message.</summary>
    internal static LinkHello Read(ReadOnlySpan<byte> message)
    {
        LinkReader reader = new(message);
        (byte kind, _) = reader.Item(out LinkReader fields);
        if (kind != Kind) throw new LinkFormatException("the first message is no hello");
        long version = fields.Number();
        if (version != Version) throw new LinkFormatException($"the other side speaks version {version} of the link, this one {Version}: bring both to one version of mesh");
        LinkHello hello = new(fields.Text(), fields.Number(0, int.MaxValue), fields.Number(0, int.MaxValue));
        fields.End();
        reader.End();
        return hello;
    }
}
