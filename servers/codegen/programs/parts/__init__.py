"""The functions that programs are made of. Their source text is what a program carries, as it stands here.

A part imports only what a program may import, and no other part: `servers.codegen.programs.assemble` gathers what a
program's `main` needs. Only `reading` is also imported here, to check names; the standard library is all it needs.
"""
