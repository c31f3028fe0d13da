# Process 1 knows nothing, and shows nothing.
# expect: held
# harmless on runsc: it shows the environment that the program has itself, and no memory
import os


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("mem", lambda: open("/proc/1/mem", "rb").read(1))
refused("environ", lambda: open("/proc/1/environ", "rb").read(1))
refused("maps", lambda: open("/proc/1/maps", "rb").read(1))
refused("auxv", lambda: open("/proc/1/auxv", "rb").read(1))
refused("pagemap", lambda: open("/proc/1/pagemap", "rb").read(1))
refused("stack", lambda: open("/proc/1/stack", "rb").read(1))
refused("fds", lambda: os.listdir("/proc/1/fd"))
refused("root", lambda: os.listdir("/proc/1/root/root"))
refused("cwd", lambda: os.listdir("/proc/1/cwd/../../root"))
print("held")
