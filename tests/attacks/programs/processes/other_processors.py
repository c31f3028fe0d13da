# The choice of processors is the operator's.
# expect: held
import os


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("affinity", lambda: os.sched_setaffinity(0, range(os.cpu_count())))
print("held")
