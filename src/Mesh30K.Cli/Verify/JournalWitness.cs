using System.Text;
using Mesh30K.Consistency.Causal;
using Mesh30K.Consistency.Journal;
using Mesh30K.Consistency.Time;
using Mesh30K.Node.Storage;

namespace Mesh30K.Cli.Verify;

/// <summary>
/// Reads the journal while others write it, and holds each record against the state before it: a claim whose predecessors were not done, an entry
/// completed that was done. Takes records apart by itself, not with the channel's own reader.
/// </summary>
internal sealed class JournalWitness : IJournalReader
{
    private const byte ClaimedKind = 2;
    private const byte CompletedKind = 5;

    private readonly HashSet<Dot> _early = [];
    private readonly HashSet<Dot> _doneTwice = [];

    /// <summary>The channel as the journal has it, to the last record read.</summary>
    public Channel Channel { get; } = new(CrashSite.Storage.Channel);

    /// <summary>Entries that were claimed before what they depend on was done.</summary>
    public IReadOnlySet<Dot> Early => _early;

    /// <summary>Entries that were completed when they were done already.</summary>
    public IReadOnlySet<Dot> DoneTwice => _doneTwice;

    public long Records { get; private set; }

    public int Compactions { get; private set; }

    public void Reset()
    {
        Channel.Reset();
        Compactions++;
    }

    public void Apply(in JournalRecord record)
    {
        Records++;
        Parts parts = new(record.Payload.Span);
        if (record.Kind == ClaimedKind)
        {
            parts.Text();
            parts.Number();
            parts.Number();
            for (long left = parts.Number(); left > 0; left--)
            {
                Dot id = parts.Dot();
                if (Channel.Find(id) is { } entry && entry.DependsOn.Any(on => Channel.StatusOf(on) != EntryStatus.Done)) _early.Add(id);
            }
        }
        else if (record.Kind == CompletedKind && parts.Dot() is var done && Channel.StatusOf(done) == EntryStatus.Done)
        {
            _doneTwice.Add(done);
        }
        Channel.Apply(record.Kind, record.Payload.Span);
    }

    /// <summary>Varints of 7 bits a byte, low first; texts in UTF-8 after their length; a dot is a number and a writer.</summary>
    private ref struct Parts(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        public long Number()
        {
            long value = 0;
            int shift = 0;
            int used = 0;
            while ((_rest[used] & 0x80) != 0)
            {
                value |= (long)(_rest[used++] & 0x7F) << shift;
                shift += 7;
            }
            value |= (long)_rest[used++] << shift;
            _rest = _rest[used..];
            return value;
        }

        public string Text()
        {
            int length = (int)Number();
            string text = Encoding.UTF8.GetString(_rest[..length]);
            _rest = _rest[length..];
            return text;
        }

        public Dot Dot() => new(Number(), ReplicaId.TryParse(Text(), out ReplicaId writer) ? writer : ReplicaId.None);
    }
}
