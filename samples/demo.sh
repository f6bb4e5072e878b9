#!/bin/sh
# The main job to its end on the help-desk sample: train, measure, look, predict.
set -e
cd "$(dirname "$0")/.."
out=runs/helpdesk-demo
echo "\$ minnow train samples/helpdesk/train.csv --test samples/helpdesk/test.csv --out $out"
minnow train samples/helpdesk/train.csv --test samples/helpdesk/test.csv --out "$out" --overwrite
echo
echo "\$ minnow predict $out --no-scores 'The VPN drops every ten minutes' …"
minnow predict "$out" --no-scores \
  "The VPN drops every ten minutes when I work from home" \
  "Why was I charged twice for the same order?" \
  "密码忘了，账号也被锁了，能帮我重置一下吗"
echo
echo "confusion matrix: $out/evaluation/confusion.png   (and .svg)"
echo "model card:       $out/README.md"
echo "next: minnow train YOUR_FILE.csv     then: minnow show $out"
