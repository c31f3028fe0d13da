# Reserving space is bounded as writing is.
# expect: limit disk
# expect on runsc: any
import os

fd = os.open("reserved", os.O_CREAT | os.O_WRONLY)
os.posix_fallocate(fd, 0, 1 << 34)
