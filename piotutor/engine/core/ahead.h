/* Reading ahead of ranks that read a file from front to back. */
#ifndef PIOTUTOR_ENGINE_AHEAD_H
#define PIOTUTOR_ENGINE_AHEAD_H

#include "world.h"

void read_ahead(struct world *w, int32_t rank, struct operation read);

#endif
