# The command line tools can do no more.
# expect: held
import subprocess

for command in (
    ["/usr/bin/unshare", "-Ur", "id"],
    ["/usr/bin/nsenter", "-t", "1", "-a", "id"],
    ["/usr/bin/setpriv", "--reuid", "0", "id"],
    ["/usr/bin/bwrap", "--ro-bind", "/", "/", "id"],
):
    try:
        if subprocess.run(command, capture_output=True, timeout=10).returncode == 0:
            print("BREACH:", command)
    except (OSError, subprocess.TimeoutExpired):
        pass
print("held")
