"""What commands do beside running the processor: plain logic over the rooms, printed by `cli`."""
