/* The metadata server. */
#ifndef PIOTUTOR_ENGINE_METADATA_H
#define PIOTUTOR_ENGINE_METADATA_H

#include "world.h"

void ask_metadata(struct world *w, int32_t rank, struct operation what);
void metadata_arrives(struct world *w, int32_t rank);

#endif
