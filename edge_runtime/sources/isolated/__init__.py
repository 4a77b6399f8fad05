"""A camera in a process of its own, which can be killed when it hangs."""
