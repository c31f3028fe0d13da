# Folders in folders must not break the collection.
# expect: held
import os

for _ in range(300):
    os.mkdir("d")
    os.chdir("d")
open("deep.txt", "w").close()
print("held")
