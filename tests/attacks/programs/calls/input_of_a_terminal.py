# Nobody types into another's terminal.
# expect: held
import fcntl
import os
import termios

for fd in range(3):
    try:
        fcntl.ioctl(fd, termios.TIOCSTI, b"x")
    except OSError:
        continue
    print("BREACH: TIOCSTI on", fd)
try:
    os.openpty()
except OSError:
    pass
print("held")
