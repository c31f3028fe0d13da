# Inputs stay what they are.
# expect: held
# inputs: yes
import os


def refused(what, attempt):
    try:
        attempt()
    except OSError:
        return
    print("BREACH:", what)


refused("write", lambda: open("input.csv", "w"))
refused("append", lambda: open("input.csv", "a"))
refused("remove", lambda: os.remove("input.csv"))
refused("rename", lambda: os.rename("input.csv", "other.csv"))
open("fresh", "w").close()
refused("replace", lambda: os.replace("fresh", "input.csv"))
refused("chmod", lambda: os.chmod("input.csv", 0o777))
os.remove("fresh")
print("held")
