"""What a trial trains: tasks, networks, the stack, optimizers, folds, the Ray Tune trainable, the refit."""
