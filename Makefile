# Each target is one line over setup.sh, which does all the work: `sh setup.sh help`.
#   make lab     set up everything and open JupyterLab     make test   set up, run all tests
# Variables: ARGS="..." (for JupyterLab, pytest, ...)  STACK=...  OFFLINE=...  PYTHON=...

.PHONY: lab test lint notebooks bundle install ceph
lab test lint notebooks bundle install ceph:
	@exec sh setup.sh $@ $(ARGS)
