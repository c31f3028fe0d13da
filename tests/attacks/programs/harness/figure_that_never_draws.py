# A figure that hangs while it is captured has the same clock.
# expect: limit wall_time
# limits: wall_time_s=3
import matplotlib.pyplot as plt

figure = plt.figure()


def forever(*_, **__):
    while True:
        pass


figure.draw = forever
