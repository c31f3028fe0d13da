# Handlers at the exit have the same clock.
# expect: limit wall_time
# limits: wall_time_s=1
import atexit


@atexit.register
def forever():
    while True:
        pass
