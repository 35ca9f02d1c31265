"""The benchmark: this deploy beside what people use today, on the same booted hosts, in one run.

    python3 -m bench            measures everything and writes docs/benchmark.{json,md,svg}
    python3 -m bench --help     tells how to measure a part

The peers are in `ansible/` and `shell/`; `peers` says how each is called, `works` what each has to
do, `measure` and `counts` what is taken down, `table` and `plot` how it is shown.
"""
