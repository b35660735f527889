"""Files that are shipped inside a bundle as they are: they import the runtime and NumPy, and nothing of this tool."""
