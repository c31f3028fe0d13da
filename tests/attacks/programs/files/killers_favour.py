# No program may be spared when memory runs out.
# expect: held
# expect on runsc: any


def refused(what, attempt):
    try:
        answer = attempt()
    except (OSError, ValueError):
        return
    print("BREACH:", what, answer)


refused("oom_score_adj", lambda: open("/proc/self/oom_score_adj", "w").write("-1000"))
refused("oom_adj", lambda: open("/proc/self/oom_adj", "w").write("-17"))
print("held")
