# What a program brings along is not executed from its folders.
# expect: held
# expect on runsc: any
import os
import shutil
import subprocess


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused(
    "/work",
    lambda: (
        shutil.copyfile("/usr/bin/true", "/work/own"),
        os.chmod("/work/own", 0o755),
        subprocess.run(["/work/own"], check=True),
    ),
)
refused(
    "/tmp",
    lambda: (
        shutil.copyfile("/usr/bin/true", "/tmp/own"),
        os.chmod("/tmp/own", 0o755),
        subprocess.run(["/tmp/own"], check=True),
    ),
)
refused(
    "/dev/shm",
    lambda: (
        shutil.copyfile("/usr/bin/true", "/dev/shm/own"),
        os.chmod("/dev/shm/own", 0o755),
        subprocess.run(["/dev/shm/own"], check=True),
    ),
)
print("held")
