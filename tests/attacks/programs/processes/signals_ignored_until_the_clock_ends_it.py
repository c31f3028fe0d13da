# Ignoring every signal must not help against the clock.
# expect: limit wall_time
# limits: wall_time_s=1
import signal

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
