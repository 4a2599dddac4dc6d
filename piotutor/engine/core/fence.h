/* Between two tables nothing may be touched: AddressSanitizer sees to it, where it is built in. */
#ifndef PIOTUTOR_ENGINE_FENCE_H
#define PIOTUTOR_ENGINE_FENCE_H

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { FENCE = 64 }; /* bytes */
#define PUT_FENCE(place) __asan_poison_memory_region((place), FENCE)
#else
enum { FENCE = 0 };
#define PUT_FENCE(place) (void)(place)
#endif

#endif
