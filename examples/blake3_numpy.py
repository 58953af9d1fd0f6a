"""BLAKE3 in NumPy, for where the package `blake3` is not installed: `blake3(data).hexdigest()`, with `update`.

Many chunks of 1024 bytes are compressed at a time, each step on all of them. The tree above the chunks is built level by
level: pairs of neighbours are joined and a node without a neighbour moves up, until one node is left.
"""

import numpy as np

IV = np.array(
    [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19], dtype=np.uint32
)
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
CHUNK, BLOCK = 1024, 64
AT_ONCE = 4096  # chunks: enough for NumPy to be quick, few enough for the cache

# For each of the seven rounds the words that the four columns, then the four diagonals take first and second.
ORDERS, order = [], list(range(16))
for _ in range(7):
    ORDERS.append([order[0:8:2], order[1:8:2], order[8:16:2], order[9:16:2]])
    order = [order[place] for place in PERMUTATION]


def compress(value, words, counter, length, flags):
    """The next chaining values: `value` is 8×n, `words` 16×n, `counter` n numbers or one."""
    n = words.shape[1]
    a, b, c, d = value[:4].copy(), value[4:].copy(), np.repeat(IV[:4, None], n, axis=1), np.empty((4, n), np.uint32)
    d[0], d[1] = counter & np.uint64(0xFFFFFFFF), counter >> np.uint64(32)
    d[2], d[3] = length, flags
    high = np.empty_like(d)

    def turn(x, bits):
        np.left_shift(x, np.uint32(32 - bits), out=high)
        np.right_shift(x, np.uint32(bits), out=x)
        np.bitwise_or(x, high, out=x)

    def mix(a, b, c, d, first, second):
        for word, by_d, by_b in ((first, 16, 12), (second, 8, 7)):
            np.add(a, b, out=a)
            np.add(a, words[word], out=a)
            np.bitwise_xor(d, a, out=d)
            turn(d, by_d)
            np.add(c, d, out=c)
            np.bitwise_xor(b, c, out=b)
            turn(b, by_b)

    for columns_first, columns_second, diagonals_first, diagonals_second in ORDERS:
        mix(a, b, c, d, columns_first, columns_second)
        b, c, d = b[[1, 2, 3, 0]], c[[2, 3, 0, 1]], d[[3, 0, 1, 2]]
        mix(a, b, c, d, diagonals_first, diagonals_second)
        b, c, d = b[[3, 0, 1, 2]], c[[2, 3, 0, 1]], d[[1, 2, 3, 0]]
    return np.concatenate([a ^ c, b ^ d])


def chunks(data, first, root=0):
    """Chaining values of chunks that all have the length of the first; `first` is the number of that one."""
    count = max(1, len(data) // CHUNK)
    length = len(data) // count
    blocks = max(1, -(-length // BLOCK))
    padded = np.zeros((count, blocks * BLOCK), np.uint8)
    padded[:, :length] = np.frombuffer(data, np.uint8).reshape(count, length)
    words = np.ascontiguousarray(padded.view("<u4").astype(np.uint32, copy=False).T).reshape(blocks, 16, count)
    counter = np.arange(first, first + count, dtype=np.uint64)
    value = np.repeat(IV[:, None], count, axis=1)
    for at in range(blocks):
        ends = at + 1 == blocks
        flags = CHUNK_START * (at == 0) | (CHUNK_END | root) * ends
        value = compress(value, words[at], counter, length - BLOCK * at if ends else BLOCK, flags)
    return value


class blake3:
    """Takes data in parts, as the classes of `hashlib` do."""

    def __init__(self, data=b""):
        self.values, self.count, self.rest = [], 0, b""
        self.update(data)

    def update(self, data):
        data = memoryview(data).cast("B")
        if self.rest:
            data = memoryview(self.rest + bytes(data))
        # The last chunk is kept, even a full one: it may be the root.
        whole = max(0, len(data) - 1) // CHUNK
        for at in range(0, whole, AT_ONCE):
            part = data[at * CHUNK : min(at + AT_ONCE, whole) * CHUNK]
            self.values.append(chunks(part, self.count))
            self.count += len(part) // CHUNK
        self.rest = bytes(data[whole * CHUNK :])
        return self

    def hexdigest(self):
        last = chunks(self.rest, self.count, root=0 if self.count else ROOT)
        nodes = np.concatenate([*self.values, last], axis=1)
        while nodes.shape[1] > 1:
            pairs, odd = nodes.shape[1] // 2, nodes[:, nodes.shape[1] // 2 * 2 :]
            words = np.concatenate([nodes[:, 0 : 2 * pairs : 2], nodes[:, 1 : 2 * pairs : 2]])
            flags = PARENT | ROOT * (nodes.shape[1] == 2)
            joined = compress(np.repeat(IV[:, None], pairs, axis=1), words, np.uint64(0), BLOCK, flags)
            nodes = np.concatenate([joined, odd], axis=1)
        return np.ascontiguousarray(nodes[:, 0]).astype("<u4").tobytes().hex()
