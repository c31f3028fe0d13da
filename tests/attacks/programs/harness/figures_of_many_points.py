# Far more is drawn than a result may hold: points, names, categories, axes.
# expect: held
# limits: wall_time_s=60
import matplotlib.pyplot as plt
import numpy as np
figure, grid = plt.subplots(9, 9)
for axes in grid.flat:
    axes.plot(np.arange(200_000), label="ä" * 5000)
    axes.set_axis_off()
figure.savefig("many.png", dpi=20)
plt.close(figure)
plt.figure()
plt.bar([f"{'ü' * 300}{number}" for number in range(300)], range(300))
plt.xticks([])
plt.imshow(np.random.rand(500, 500))
print("held")
