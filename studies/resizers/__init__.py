"""Speed of the runtime: what everything but the network costs, side by side with bare loops."""
