"""What the program tells about itself: counters and the log."""
