/* Memory before a device: written bytes are safe there, and go to the device behind the writers'
 * backs. */
#ifndef PIOTUTOR_ENGINE_MEMORY_H
#define PIOTUTOR_ENGINE_MEMORY_H

#include "world.h"

#define MOST_EXTENTS 1024 /* bytes in a row, of each target */

static inline int is_remembered(const struct world *w, const struct rpc *rpc)
{
    return w->machine.device_memory && w->device.capacity && rpc->op == WRITE;
}

void remember(struct world *w, number r); /* at once, or when there is room */
void device_has_written(struct world *w, number target);

#endif
