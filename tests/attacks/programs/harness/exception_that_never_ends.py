# An exception that can't be printed has the same clock.
# expect: limit wall_time
# limits: wall_time_s=1
class Endless(Exception):
    def __str__(self):
        while True:
            pass


raise Endless
