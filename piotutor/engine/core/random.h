/* Numbers that look drawn, the same for the same argument: splitmix64 (Steele, Lea, Flood 2014). */
#ifndef PIOTUTOR_ENGINE_RANDOM_H
#define PIOTUTOR_ENGINE_RANDOM_H

#include <stdint.h>

static inline uint64_t mixed(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

#endif
