"""How runs are launched: YAML -> run matrix -> Ray Tune -> MLflow."""
