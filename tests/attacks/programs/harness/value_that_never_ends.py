# The last value's repr runs for ever.
# expect: limit wall_time
# limits: wall_time_s=2
class Endless:
    def __repr__(self):
        while True:
            pass
Endless()
