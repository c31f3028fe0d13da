# The parent is process 1 inside, and nobody outside.
# expect: held
import os
import signal

for pid in (os.getppid(), 1):
    try:
        os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGSEGV)
    except OSError:
        pass
if os.getppid() > 1:
    print("BREACH: a parent outside, process", os.getppid())
print("held")
