"""Ed25519 signatures, written from the mathematics of RFC 8032, section 5.1, with the standard library only.

Slow (some ms a signature) and not of constant time: whoever can measure this process closely may learn about the key. Fine for an example
and for a machine of your own; use a library where that matters.
"""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)

# Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z. This one is the neutral element.
NEUTRAL = (0, 1, 1, 0)


def _add(a, b):
    k = (a[1] - a[0]) * (b[1] - b[0]) % P
    m = (a[1] + a[0]) * (b[1] + b[0]) % P
    t = 2 * D * a[3] * b[3] % P
    z = 2 * a[2] * b[2] % P
    e, f, g, h = m - k, z - t, z + t, m + k
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _times(scalar, point):
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _x_of(y, sign):
    """The x with that lowest bit for which (x, y) is on -x^2 + y^2 = 1 + d*x^2*y^2; None when there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return x if x & 1 == sign else P - x


def _encode(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(data):
    """The point of 32 bytes; None when they are not the only bytes of a point."""
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = _x_of(y, sign) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


_BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (_x_of(_BASE_Y, 0), _BASE_Y, 1, _x_of(_BASE_Y, 0) * _BASE_Y % P)


def _hash(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def _expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    return scalar, digest[32:]


def public_key(seed):
    """The 32 bytes of the public key of a 32-byte seed."""
    return _encode(_times(_expand(seed)[0], BASE))


def sign(seed, message):
    """The 64 bytes of the signature."""
    scalar, prefix = _expand(seed)
    nonce = _hash(prefix, message)
    commitment = _encode(_times(nonce, BASE))
    challenge = _hash(commitment, public_key(seed), message)
    return commitment + ((nonce + challenge * scalar) % L).to_bytes(32, "little")


def verify(public, message, signature):
    """Whether it is the key's signature. False too for keys that are not canonical or of small order."""
    if len(public) != 32 or len(signature) != 64:
        return False
    point = _decode(public)
    s = int.from_bytes(signature[32:], "little")
    if point is None or s >= L or _encode(_times(8, point)) == _encode(NEUTRAL):
        return False
    challenge = _hash(signature[:32], public, message)
    # s*B = R + challenge*A, with R on its own side so that its bytes are compared as they came.
    minus = (P - point[0], point[1], 1, P - point[3])
    return _encode(_add(_times(s, BASE), _times(challenge, minus))) == signature[:32]
