# There is only one user.
# expect: held
import os


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("setuid", lambda: os.setuid(0))
refused("setgid", lambda: os.setgid(0))
refused("setresuid", lambda: os.setresuid(0, 0, 0))
refused("setgroups", lambda: os.setgroups([0]))
refused("chown", lambda: (open("/work/own", "w"), os.chown("/work/own", 0, 0)))
refused("chroot", lambda: os.chroot("/tmp"))
print("held")
