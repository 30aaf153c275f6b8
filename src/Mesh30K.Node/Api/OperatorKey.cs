using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Mesh30K.Node.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Mesh30K.Node.Api;

/// <summary>The key file cannot be used; the message says why and what to do. Never contains the key.</summary>
public sealed class OperatorKeyException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// The secret with which the command on the same machine speaks to its node: 256 random bits in a file that only its owner can read.
/// Whoever can read the file is the operator. Never logged: <see cref="ToString"/> hides it. Immutable, thread-safe.
/// </summary>
public sealed class OperatorKey
{
    private const int KeyBytes = 32;
    private const int TextChars = 43; // base64url of 32 bytes, without padding

    private readonly byte[] _text;

    private OperatorKey(byte[] text) => _text = text;

    /// <summary>
    /// Reads the key, or makes it first: several processes may do so at once and all get the same one.
    /// Throws <see cref="OperatorKeyException"/> when the file is readable by others, damaged, or cannot be read or written.
    /// </summary>
    public static OperatorKey LoadOrCreate(string path)
    {
        try
        {
            if (!File.Exists(path))
            {
                string text = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(KeyBytes));
                AtomicFile.Write(path, Encoding.ASCII.GetBytes(text + "\n"), replace: false);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OperatorKeyException($"cannot write the operator key {path}: {error.Message}", error);
        }

        return Load(path);
    }

    /// <summary>Reads the key. Throws <see cref="OperatorKeyException"/> as <see cref="LoadOrCreate"/>, and when there is none.</summary>
    public static OperatorKey Load(string path)
    {
        try
        {
            if (RegularFile.WhyNot(path) is { } special) throw new OperatorKeyException($"the operator key {path} is {special}, not a file");
            using SafeFileHandle file = File.OpenHandle(path);
            if (!OperatingSystem.IsWindows())
            {
                UnixFileMode mode = File.GetUnixFileMode(file);
                if ((mode & ~AtomicFile.OwnerOnly) != UnixFileMode.None)
                    throw new OperatorKeyException($"the operator key {path} can be read or changed by others (mode {Octal(mode)}): run chmod 600 {path}");
            }

            Span<byte> content = stackalloc byte[TextChars + 3];
            int read = RandomAccess.Read(file, content, 0);
            ReadOnlySpan<byte> text = content[..read].TrimEnd("\r\n"u8);
            if (text.Length != TextChars || !Base64Url.IsValid(text))
                throw new OperatorKeyException($"the operator key {path} is damaged: delete it and start the node again to make a new one");
            return new OperatorKey(text.ToArray());
        }
        catch (FileNotFoundException error)
        {
            throw new OperatorKeyException($"there is no operator key at {path}: start the node first, it makes one", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new OperatorKeyException($"cannot read the operator key {path}: {error.Message}", error);
        }
    }

    /// <summary>Whether this text is the key; takes the same time wherever they differ.</summary>
    public bool Matches(ReadOnlySpan<char> presented)
    {
        if (presented.Length != TextChars) return false;
        Span<byte> bytes = stackalloc byte[TextChars];
        return Encoding.UTF8.TryGetBytes(presented, bytes, out int written) && CryptographicOperations.FixedTimeEquals(bytes[..written], _text);
    }

    /// <summary>The header a client sends. Contains the key: do not log.</summary>
    public AuthenticationHeaderValue ToHeader() => new("Bearer", Encoding.ASCII.GetString(_text));

    /// <summary>Says only that there is a key.</summary>
    public override string ToString() => "OperatorKey(hidden)";

    private static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8).PadLeft(4, '0');
}
