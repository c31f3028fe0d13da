# Nothing of the host is there.
# expect: held
# harmless on runsc: /sys is made up by gVisor
import os

for path in (
    "/root",
    "/home",
    "/sys",
    "/var",
    "/boot",
    "/mnt",
    "/srv",
    "/run",
    "/opt",
    "/usr/local",
    "/etc/shadow",
    "/etc/ssl",
):
    if os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)):
        print("BREACH:", path)
print("held")
