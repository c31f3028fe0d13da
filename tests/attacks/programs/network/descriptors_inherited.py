# No descriptor but its own was handed down.
# expect: held
import os
import stat

for name in os.listdir("/proc/self/fd"):
    try:
        kind = os.fstat(int(name)).st_mode
    except OSError:
        continue
    if stat.S_ISSOCK(kind):
        print("BREACH: a socket, descriptor", name)
    elif stat.S_ISREG(kind) and os.readlink(f"/proc/self/fd/{name}").startswith("/loupe") is False and int(name) > 2:
        target = os.readlink(f"/proc/self/fd/{name}")
        if not target.startswith(("/work", "/tmp", "/box")):
            print("BREACH: a file", target)
print("held")
