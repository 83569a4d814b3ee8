"""What the methods under test are compared with, under exactly the same contract."""
