# A program that changes its user does not.
# expect: held
import os
import shutil
import subprocess

shutil.copyfile("/usr/bin/id", "/tmp/id")
os.chmod("/tmp/id", 0o6755)
try:
    said = subprocess.run(["/tmp/id", "-u"], capture_output=True, text=True).stdout.strip()
except OSError:
    said = "1000"
for command in (
    ["/usr/bin/su", "-c", "id"],
    ["/usr/bin/mount", "-t", "tmpfs", "x", "/tmp"],
    ["/usr/bin/passwd", "-d", "root"],
):
    try:
        if subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=10).returncode == 0:
            print("BREACH:", command)
    except (OSError, subprocess.TimeoutExpired):
        pass
if said not in ("1000", ""):
    print("BREACH: user", said)
print("held")
