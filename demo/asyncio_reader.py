#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""asyncio_reader.py NAME [COUNT]: print the messages of a queue, one a line.

An asyncio loop reads the queue through ctypes, while another task counts.
Ends after COUNT messages, or when the queue is removed. SHMQ_LIBRARY names
the library if the linker does not find it.
"""
import asyncio
import ctypes
import errno
import os
import sys

shmq = ctypes.CDLL(os.environ.get("SHMQ_LIBRARY", "libshmq.so.0"))
shmq.shmq_strerror.restype = ctypes.c_char_p
shmq.shmq_recv.restype = ctypes.c_ssize_t
shmq.shmq_recv.argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                           ctypes.c_size_t, ctypes.c_int64]
shmq.shmq_consumer_open.argtypes = [ctypes.c_void_p, ctypes.c_void_p,
                                    ctypes.c_char_p, ctypes.c_uint]
for name in "shmq_consumer_fd", "shmq_consumer_close", "shmq_close":
    getattr(shmq, name).argtypes = [ctypes.c_void_p]

SHMQ_CREATE = 1
SHMQ_NOWAIT = 0


def check(result, doing):
    if result < 0:
        sys.exit(f"{doing}: {shmq.shmq_strerror(result).decode()}")
    return result


class Reader:
    """Messages of a queue, as an asynchronous iterator of bytes."""

    def __init__(self, name):
        self.queue, self.consumer = ctypes.c_void_p(), ctypes.c_void_p()
        self.buf = ctypes.create_string_buffer(65536)
        check(shmq.shmq_open(ctypes.byref(self.queue), name.encode(),
                             SHMQ_CREATE, 0o600, None), name)
        check(shmq.shmq_consumer_open(ctypes.byref(self.consumer), self.queue,
                                      None, 0), "become a consumer")
        self.fd = check(shmq.shmq_consumer_fd(self.consumer), "descriptor")
        self.ready = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.fd, self.ready.set)

    def close(self):
        # Out of the loop first: closing the consumer closes its descriptor.
        asyncio.get_running_loop().remove_reader(self.fd)
        shmq.shmq_consumer_close(self.consumer)
        shmq.shmq_close(self.queue)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            n = shmq.shmq_recv(self.consumer, self.buf, len(self.buf),
                               SHMQ_NOWAIT)
            if n == -errno.EIDRM:
                raise StopAsyncIteration
            if n != -errno.EAGAIN:
                return self.buf.raw[:check(n, "receive")]
            self.ready.clear()  # -EAGAIN has armed the descriptor
            await self.ready.wait()


async def tick():
    while True:
        await asyncio.sleep(0.01)


async def main(name, count):
    other = asyncio.create_task(tick())
    reader = Reader(name)
    async for message in reader:
        print(message.decode(), flush=True)
        count -= 1
        if not count:
            break
    reader.close()
    other.cancel()

if not 2 <= len(sys.argv) <= 3:
    sys.exit("usage: asyncio_reader.py NAME [COUNT]")
asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else -1))
