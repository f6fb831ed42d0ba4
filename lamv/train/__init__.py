"""Floor 2: training. step (what one step is), parallel (over replicas and devices), loop (when), checkpoint, tracking."""
