# At most a hundred open figures are captured.
# expect: held
import warnings

import matplotlib.pyplot as plt

warnings.simplefilter("ignore")
for _ in range(130):
    plt.figure(figsize=(0.2, 0.2), dpi=20)
print("held")
