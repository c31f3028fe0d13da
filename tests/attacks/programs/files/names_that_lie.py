# Odd names come back harmless or not at all.
# expect: held
# artifacts: plain
names = [
    "..x",
    "a\nb.txt",
    "a\x1b[2J.txt",
    "-rf",
    " ",
    "..",
    "x" * 200 + ".txt",
    "\udcff\udcfe.bin",
    "con:aux",
    "a" + chr(0x202E) + "gpj.exe",
]
for name in names:
    try:
        with open(name, "w") as file:
            file.write("x")
    except OSError:
        pass
print("held")
