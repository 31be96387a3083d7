"""One module a stage: it reads files, calls one room, and writes files."""
