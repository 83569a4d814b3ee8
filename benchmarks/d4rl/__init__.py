"""D4RL locomotion: tasks, data sets, environments, evaluation, stacked networks and the training loop."""
