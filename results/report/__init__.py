"""The page: a static site of what the suite says today, written by `reprise report`."""
