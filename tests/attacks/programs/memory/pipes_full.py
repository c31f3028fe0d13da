# Pipes hold memory of the kernel; their number is bounded.
# expect: held
# limits: memory_mib=600
import fcntl
import os

pipes = []
try:
    while len(pipes) < 10_000:
        read, write = os.pipe()
        pipes.append((read, write))
        os.set_blocking(write, False)
        try:
            fcntl.fcntl(write, 1031, 1 << 20)  # F_SETPIPE_SZ
        except OSError:
            pass
        try:
            while True:
                os.write(write, bytes(65536))
        except BlockingIOError:
            pass
except OSError:
    print("held")
else:
    print("BREACH:", len(pipes), "pipes")
