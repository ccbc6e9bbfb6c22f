"""Many networks trained as one."""
