# A hard link would be the file itself.
# expect: held
import os


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("passwd", lambda: os.link("/etc/passwd", "passwd"))
refused("python", lambda: os.link("/usr/bin/python3.11", "python"))
refused("program", lambda: os.link("/loupe/program.py", "program"))
print("held")
