# Nothing but the program's own folders can be written.
# expect: held


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("/probe", lambda: open("/probe", "w"))
refused("/usr/bin/probe", lambda: open("/usr/bin/probe", "w"))
refused("/runtime/probe", lambda: open("/runtime/probe", "w"))
refused("/runtime/bin/python", lambda: open("/runtime/bin/python", "w"))
refused("/loupe/program.py", lambda: open("/loupe/program.py", "w"))
refused("/loupe/sandbox/bootstrap/guest.py", lambda: open("/loupe/sandbox/bootstrap/guest.py", "w"))
refused("/etc/passwd", lambda: open("/etc/passwd", "w"))
refused("/etc/hosts", lambda: open("/etc/hosts", "w"))
refused("/inputs/probe", lambda: open("/inputs/probe", "w"))
refused("/box/probe", lambda: open("/box/probe", "w"))
refused("/dev/probe", lambda: open("/dev/probe", "w"))
print("held")
