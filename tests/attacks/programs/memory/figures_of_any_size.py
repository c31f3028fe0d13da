# A captured figure of absurd size must not hurt the service.
# expect: limit memory or held
# limits: memory_mib=300
import matplotlib.pyplot as plt

plt.figure(figsize=(400, 400), dpi=200)
print("held")
