# Nobody gets more of the machine than others.
# expect: held
# harmless on runsc: its priority counts among its own processes only
import os


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("nice", lambda: os.nice(-10))
refused("fifo", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)))
refused("round robin", lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))
print("held")
