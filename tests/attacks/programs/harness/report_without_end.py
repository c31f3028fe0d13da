# Whatever stands open is written to without end: nobody outside may collect it all.
# expect: held or limit disk or failed
import os, stat
chunk = b"[" * (1 << 20)
for name in os.listdir("/proc/self/fd"):
    fd = int(name)
    try:
        mode = os.fstat(fd).st_mode
        if fd > 2 and (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
            os.set_blocking(fd, False)
            for _ in range(64):
                os.write(fd, chunk)
    except OSError:
        pass
print("held")
