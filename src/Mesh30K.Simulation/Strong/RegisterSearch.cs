using System.Runtime.InteropServices;

namespace Mesh30K.Simulation.Strong;

/// <summary>
/// Looks for an order of one register's operations. A configuration is what has been put in order so far, and what the register holds then; from it, any operation may
/// come next that was called before everything that is left returned. One search, one owner.
/// </summary>
/// <remarks>
/// <para>The search is that of Wing and Gong (Testing and Verifying Concurrent Objects, 1993), depth first, and remembers the configurations that it has met, after
/// Lowe (Testing for Linearizability, 2017). Each key has a search of its own: linearizability is local (Herlihy and Wing 1990, theorem 1).</para>
/// <para>An operation that changes nothing and fits what the register holds comes next at once, without a choice: wherever it stands in an order of the rest, it can
/// as well stand here. A write of unknown outcome is used only when it changes the value; those that are left at the end never took place.</para>
/// <para>A configuration is blocked by the operation left that returned first. When there is no order, the latest of those that blocked ends the shortest prefix
/// without an order: everything that returned before it was in order in some configuration, and never with it.</para>
/// </remarks>
internal sealed class RegisterSearch(RegisterHistory history, long configurationsMax, CancellationToken stop)
{
    /// <summary>Of all remembered configurations: 256 MiB.</summary>
    private const long RememberedIntsMax = 64 << 20;

    private const int PossibleMax = 10;

    private readonly RegisterOperation[] _known = history.Known;
    private readonly UnknownWrites[] _unknown = history.Unknown;
    private readonly bool[] _isOrdered = new bool[history.Known.Length];
    private readonly int[] _used = new int[history.Unknown.Length];
    private readonly List<int> _trail = [];
    private readonly List<int> _choices = [];
    private readonly List<Frame> _frames = [];
    private readonly ConfigurationSet _met = new();
    private readonly List<int> _configuration = [];
    private readonly List<int> _possible = [];
    private int _first;
    private int _value;
    private int _blocked = -1;

    /// <summary>Configurations that were looked at.</summary>
    public long Looked { get; private set; }

    /// <summary>The operation that could not be put in order, after a violation.</summary>
    public RegisterOperation Blocked => _known[_blocked];

    /// <summary>What the register could have held when <see cref="Blocked"/> had to stand, ascending by number; at most 10.</summary>
    public IReadOnlyList<int> Possible => [.. _possible.Order()];

    public HistoryVerdict Run()
    {
        if (Enter(-1, 0)) return HistoryVerdict.Linearizable;
        while (_frames.Count > 0)
        {
            if (Looked >= configurationsMax || _met.Ints > RememberedIntsMax) return HistoryVerdict.Undecided;
            if (Looked % 4_096 == 0) stop.ThrowIfCancellationRequested();
            ref Frame frame = ref CollectionsMarshal.AsSpan(_frames)[^1];
            if (frame.Next == _choices.Count) Leave();
            else if (Enter(_choices[frame.Next++], _choices.Count)) return HistoryVerdict.Linearizable;
        }
        return HistoryVerdict.Violation;
    }

    /// <summary>Goes on with a choice; −1: from the beginning. True when everything is in order then.</summary>
    private bool Enter(int choice, int choicesFrom)
    {
        Frame frame = new(_trail.Count, _value, _first, choice, choicesFrom) { Next = choicesFrom };
        if (choice >= 0) Take(choice);
        Looked++;
        int window = Observe();
        if (_first == _known.Length) return true;
        Note(window);
        Offer(window);
        _frames.Add(frame);
        // Where there is no choice nothing is remembered, but for configurations without a gap, which cost little: it is met again soon.
        bool isWorthIt = _choices.Count - choicesFrom > 1 || window - _first <= 1;
        if (isWorthIt && !IsNew(window)) Leave();
        return false;
    }

    /// <summary>Takes the last choice and all that followed from it back.</summary>
    private void Leave()
    {
        Frame frame = _frames[^1];
        _frames.RemoveAt(_frames.Count - 1);
        _choices.RemoveRange(frame.ChoicesFrom, _choices.Count - frame.ChoicesFrom);
        for (int i = frame.TrailFrom; i < _trail.Count; i++) _isOrdered[_trail[i]] = false;
        _trail.RemoveRange(frame.TrailFrom, _trail.Count - frame.TrailFrom);
        if (frame.Choice >= _known.Length) _used[frame.Choice - _known.Length]--;
        _value = frame.Value;
        _first = frame.First;
    }

    /// <summary>A choice is a known operation, or beyond those a kind of unknown ones.</summary>
    private void Take(int choice)
    {
        if (choice < _known.Length)
        {
            Order(choice);
            _value = _known[choice].Written;
            return;
        }
        _used[choice - _known.Length]++;
        _value = _unknown[choice - _known.Length].Written;
    }

    private void Order(int operation)
    {
        _isOrdered[operation] = true;
        _trail.Add(operation);
    }

    /// <summary>Puts in order what changes nothing and may come next. Returns where the operations end that may come next.</summary>
    private int Observe()
    {
        while (true)
        {
            while (_first < _known.Length && _isOrdered[_first]) _first++;
            int end = _first;
            bool any = false;
            for (long returned = long.MaxValue; end < _known.Length && _known[end].CallNs <= returned; end++)
            {
                if (_isOrdered[end]) continue;
                returned = Math.Min(returned, _known[end].ReturnNs);
                if (!_known[end].IsObservation || !_known[end].Fits(_value)) continue;
                Order(end);
                any = true;
            }
            if (!any) return end;
        }
    }

    /// <summary>The operation left that returned first, before the end of the window.</summary>
    private int FirstToReturn(int window)
    {
        int first = _first;
        for (int i = _first + 1; i < window; i++)
        {
            if (!_isOrdered[i] && _known[i].ReturnNs < _known[first].ReturnNs) first = i;
        }
        return first;
    }

    /// <summary>Remembers what blocked latest.</summary>
    private void Note(int window)
    {
        int blocked = FirstToReturn(window);
        bool isLater = _blocked < 0 || _known[blocked].ReturnNs > _known[_blocked].ReturnNs;
        if (isLater)
        {
            _blocked = blocked;
            _possible.Clear();
        }
        if (blocked == _blocked && _possible.Count < PossibleMax && !_possible.Contains(_value)) _possible.Add(_value);
    }

    /// <summary>Lists what may come next and changes the value: the operation that returned first first, unknown ones last.</summary>
    private void Offer(int window)
    {
        int from = _choices.Count;
        long returned = _known[FirstToReturn(window)].ReturnNs;
        for (int i = _first; i < window; i++)
        {
            if (!_isOrdered[i] && !_known[i].IsObservation && _known[i].Fits(_value)) _choices.Add(i);
        }
        CollectionsMarshal.AsSpan(_choices)[from..].Sort((a, b) => _known[a].ReturnNs.CompareTo(_known[b].ReturnNs) is not 0 and int order ? order : a.CompareTo(b));
        for (int i = 0; i < _unknown.Length; i++)
        {
            UnknownWrites writes = _unknown[i];
            bool mayCome = _used[i] < writes.CallsNs.Length && writes.CallsNs[_used[i]] <= returned && writes.Written != _value && writes.Fits(_value);
            if (mayCome && IsLookedFor(writes.Written, window)) _choices.Add(_known.Length + i);
        }
    }

    /// <summary>Whether something that may come next looks for the value. If nothing does, a write of unknown outcome can as well stand later, or not at all.</summary>
    private bool IsLookedFor(int value, int window)
    {
        for (int i = _first; i < window; i++)
        {
            if (!_isOrdered[i] && _known[i].Step != RegisterStep.Write && _known[i].Fits(value)) return true;
        }
        return Array.Exists(_unknown, u => u.Step == RegisterStep.Swap && u.Expected == value);
    }

    /// <summary>Whether the configuration was not met before: what is in order, beyond the first that is not; which unknown writes were used; the value.</summary>
    private bool IsNew(int window)
    {
        _configuration.Clear();
        _configuration.Add(_first);
        _configuration.Add(_value);
        for (int i = 0; i < _used.Length; i++)
        {
            if (_used[i] == 0) continue;
            _configuration.Add(i);
            _configuration.Add(_used[i]);
        }
        _configuration.Add(-1);
        for (int from = _first; from < window; from += 32)
        {
            int bits = 0;
            for (int i = from; i < Math.Min(window, from + 32); i++)
            {
                if (_isOrdered[i]) bits |= 1 << (i - from);
            }
            _configuration.Add(bits);
        }
        return _met.Add(CollectionsMarshal.AsSpan(_configuration));
    }

    /// <param name="TrailFrom">Where what this choice put in order begins.</param>
    /// <param name="Value">The value before it.</param>
    /// <param name="First">The first operation not in order before it.</param>
    /// <param name="Choice">The choice; −1 for none.</param>
    /// <param name="ChoicesFrom">Where the choices after it begin; they end where those of the next frame do.</param>
    private record struct Frame(int TrailFrom, int Value, int First, int Choice, int ChoicesFrom)
    {
        /// <summary>The next choice to try.</summary>
        public int Next { get; set; }
    }
}

/// <summary>Configurations by their content.</summary>
internal sealed class ConfigurationSet : IEqualityComparer<int[]>, IAlternateEqualityComparer<ReadOnlySpan<int>, int[]>
{
    private readonly HashSet<int[]>.AlternateLookup<ReadOnlySpan<int>> _set;

    public ConfigurationSet() => _set = new HashSet<int[]>(this).GetAlternateLookup<ReadOnlySpan<int>>();

    /// <summary>How many numbers all of them hold, with what an array and its place take.</summary>
    public long Ints { get; private set; }

    /// <summary>False when it is there.</summary>
    public bool Add(ReadOnlySpan<int> configuration)
    {
        if (!_set.Add(configuration)) return false;
        Ints += configuration.Length + 12;
        return true;
    }

    public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

    public bool Equals(ReadOnlySpan<int> alternate, int[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(int[] obj) => Hash(obj);

    public int GetHashCode(ReadOnlySpan<int> alternate) => Hash(alternate);

    public int[] Create(ReadOnlySpan<int> alternate) => alternate.ToArray();

    /// <summary>FNV-1a over 32 bits at a time, then mixed: the same in every process.</summary>
    private static int Hash(ReadOnlySpan<int> numbers)
    {
        ulong hash = 14_695_981_039_346_656_037;
        foreach (int number in numbers) hash = (hash ^ (uint)number) * 1_099_511_628_211;
        return (int)(hash ^ (hash >> 32));
    }
}
