# The last value's repr is as long as memory allows, and no text that can be sent.
# expect: held
class Long:
    def __repr__(self):
        return "\ud800\0" * 20_000_000
print("held")
Long()
