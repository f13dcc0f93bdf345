"""Measures zfec; arguments and output as in run.ts."""

import json
import sys
import time

import zfec


def repeat(work, seconds):
    start = time.perf_counter()
    times = 0
    while True:
        work()
        times += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return times / elapsed


def rate(work, size, seconds):
    repeat(work, seconds / 4)
    return repeat(work, seconds) * size


def main():
    source, target = sys.argv[1:3]
    k, n, shard_bytes = (int(text) for text in sys.argv[3:6])
    seconds = float(sys.argv[6])
    with open(source, "rb") as file:
        data = file.read()
    shards = [data[at * shard_bytes : (at + 1) * shard_bytes] for at in range(k)]
    lost = min(k, n - k)
    parity_numbers = list(range(k, n))
    encoder = zfec.Encoder(k, n)
    parity = encoder.encode(shards, parity_numbers)
    encode = rate(lambda: encoder.encode(shards, parity_numbers), len(data), seconds)
    # zfec wants a data shard that is there in its own place, parity shards in the others.
    left = parity[:lost] + shards[lost:]
    numbers = list(range(k, k + lost)) + list(range(lost, k))
    decoder = zfec.Decoder(k, n)
    decode = rate(lambda: decoder.decode(left, numbers), len(data), seconds)
    with open(target, "wb") as file:
        file.write(b"".join(decoder.decode(left, numbers)))
    print(json.dumps({"encode": encode, "decode": decode}))


main()
