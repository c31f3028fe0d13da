# Files without rights are collected all the same, and hurt nobody.
# expect: held
# expect on runsc: any
import os

os.mkdir("locked")
open("locked/inside.txt", "w").write("x")
open("unreadable.txt", "w").write("x")
os.chmod("unreadable.txt", 0)
os.chmod("locked", 0)
os.chmod(".", 0o500)
print("held")
