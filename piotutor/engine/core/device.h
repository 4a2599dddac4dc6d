/* What stores the bytes of a target. */
#ifndef PIOTUTOR_ENGINE_DEVICE_H
#define PIOTUTOR_ENGINE_DEVICE_H

#include "world.h"

/* Serve a request that is there from a moment on; returns when it is done. */
ns serve(struct world *w, const struct rpc *rpc, ns from);

#endif
