"""What packls import at run time. Standard library only, so that any Python can have it."""
