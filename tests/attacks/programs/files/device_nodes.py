# A device that one makes oneself would open any disk.
# expect: held
# harmless on runsc: no device of the machine stands behind the node
import os
import stat


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("disk", lambda: os.mknod("/work/disk", 0o660 | stat.S_IFBLK, os.makedev(8, 0)))
refused("memory", lambda: os.mknod("/tmp/mem", 0o660 | stat.S_IFCHR, os.makedev(1, 1)))
print("held")
