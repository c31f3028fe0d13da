# Signals to everybody reach only what this program started.
# expect: held
import os
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    os.kill(-1, signal.SIGTERM)
except OSError:
    pass
try:
    os.kill(1, signal.SIGKILL)
except OSError:
    pass
print("held")
