# Only devices without a memory of anybody are there.
# expect: held
# harmless on runsc: they are gVisor's own, and lead nowhere
import os

allowed = {
    "null",
    "zero",
    "full",
    "random",
    "urandom",
    "fd",
    "stdin",
    "stdout",
    "stderr",
    "shm",
    "tty",
    "pts",
    "ptmx",
    "console",
}
for name in os.listdir("/dev"):
    if name not in allowed:
        print("BREACH: /dev/" + name)
print("held")
