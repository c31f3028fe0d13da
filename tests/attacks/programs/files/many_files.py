# More files than may come back are left out, and the run ends well.
# expect: held
for number in range(400):
    open(f"{number:03}.txt", "w").write("x")
print("held")
