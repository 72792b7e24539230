"""Many runs: sweeps, their tables, and studies that decide a question."""
