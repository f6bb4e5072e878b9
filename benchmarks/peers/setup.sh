#!/bin/sh
# Makes one virtual environment for each peer below the folder given (by default .venv/peers): their stacks pin against
# each other. scikit-learn and torch stand in Minnow's own environment already.
set -eu
folder=${1:-.venv/peers}
python=${PYTHON:-python3}

# The source distribution of fastText does not build against today's compilers everywhere; the wheel needs numpy 1.
"$python" -m venv "$folder/fasttext"
"$folder/fasttext/bin/pip" install --quiet --disable-pip-version-check fasttext-wheel==0.9.2 'numpy<2'

"$python" -m venv "$folder/keras"
"$folder/keras/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1

# For translation.py. torch stands in both lines by its exact version, or what comes after would bring another one.
"$python" -m venv "$folder/joeynmt"
"$folder/joeynmt/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$folder/joeynmt/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 joeynmt==2.3.0 importlib_metadata

"$python" -m venv "$folder/ctranslate2"
"$folder/ctranslate2/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$folder/ctranslate2/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 ctranslate2==4.8.5 transformers==5.23.0
