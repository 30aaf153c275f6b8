using System.Buffers;

namespace Mesh30K.Node.Links;

/// <summary>Bytes of one frame or message on their way out, in an array of the shared pool. One owner at a time.</summary>
internal sealed class SendBuffer : IBufferWriter<byte>, IDisposable
{
    private const int FirstSize = 4_096;

    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(FirstSize);
    private int _count;

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _count);

    public void Clear()
    {
        _count = 0;
        // A rare large frame must not stay with a buffer that goes around.
        if (_bytes.Length <= 16 * FirstSize) return;
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = ArrayPool<byte>.Shared.Rent(FirstSize);
    }

    public void Advance(int count) => _count += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(_count);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(_count);
    }

    public void Dispose()
    {
        if (_bytes.Length > 0) ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
    }

    private void Reserve(int sizeHint)
    {
        if (_bytes.Length - _count >= Math.Max(sizeHint, 1)) return;
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(_bytes.Length * 2, _count + sizeHint));
        _bytes.AsSpan(0, _count).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
