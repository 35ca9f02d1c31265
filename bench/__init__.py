"""The benchmark: compares this deploy with the tools that people use today, on the same booted hosts.

    python3 -m bench            measures what people compare and writes docs/benchmark.{json,md,svg}
    python3 -m bench --full     measures everything
    python3 -m bench --help     tells how to measure a part

The peers' files are in `ansible/` and `shell/`. `peers` says how each peer is called, `works` what it
must do, `scenarios` on which hosts and how often; `measure` and `counts` take the figures, `table` and
`plot` show them.
"""
