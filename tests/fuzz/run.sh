#!/usr/bin/env bash
# Builds the fuzz targets with the Rust that is here and runs each for a while: run.sh [SECONDS] [TARGET...]
# Inputs and findings go to target/fuzz/; a finding ends the run of its target and makes this fail.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}/fuzz"
work=$CARGO_TARGET_DIR/work
# What is fuzzed is what is built.
cp ../../Cargo.lock Cargo.lock
# The coverage that libFuzzer wants, in words a stable compiler takes.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=16"
cargo build --quiet --release --bins --target x86_64-unknown-linux-gnu
bin=$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/release
"$bin/seeds" ../../samples/logs ../golden/block "$work/seeds"
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(basename -s .rs -a targets/*.rs)
failed=0
for target in "${targets[@]}"; do
  mkdir -p "$work/corpus/$target" "$work/found/$target"
  echo "$target: $seconds s"
  "$bin/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=8192 -print_final_stats=1 \
    -artifact_prefix="$work/found/$target/" "$work/corpus/$target" "$work/seeds/$target" >"$work/$target.log" 2>&1 ||
    { echo "$target found something: $work/found/$target"; tail -n 30 "$work/$target.log"; failed=1; }
  grep -hE '^stat::number_of_executed_units|DONE|^SUMMARY' "$work/$target.log" | sed 's/^/  /' || true
done
exit $failed
