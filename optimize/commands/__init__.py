"""One module per command; each defines `command`. They parse, call, print; the work is elsewhere."""
