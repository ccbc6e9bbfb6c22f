"""What a trial trains: tasks, data, layers, the stack, and the worker that trains stack after stack."""
