# Closing its own output hurts nobody.
# expect: any
import os

for fd in range(64):
    try:
        os.close(fd)
    except OSError:
        pass
