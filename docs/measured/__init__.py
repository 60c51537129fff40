"""What the pages show of benchmarks/results: tables, and numbers in sentences; see docs/make_numbers.py."""
