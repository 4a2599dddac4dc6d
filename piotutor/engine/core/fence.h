/* Between two tables nothing may be touched: AddressSanitizer sees to it, where it is built in. */
#ifndef PIOTUTOR_ENGINE_FENCE_H
#define PIOTUTOR_ENGINE_FENCE_H

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { FENCE = 64 }; /* bytes */
#define PUT_FENCE(place) __asan_poison_memory_region((place), FENCE)
/* Another world may have been mapped there before: its fences are still known. */
#define NO_FENCES(place, bytes) __asan_unpoison_memory_region((place), (size_t)(bytes))
#else
enum { FENCE = 0 };
#define PUT_FENCE(place) (void)(place)
#define NO_FENCES(place, bytes) (void)(place)
#endif

#endif
