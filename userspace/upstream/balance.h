/*
 * balance.h - which of an upstream's endpoints gets what is next: one file for each way to choose.
 *
 * Pure: who may be chosen, how much each has to do, and chance come as arguments. Knows nothing of
 * health, of limits or of requests: who may not be chosen has weight 0 here.
 */
#pragma once
#include <stdint.h>

#include "userspace/model/model.h"

enum { BALANCE_NOBODY = UINT32_MAX };

struct candidate {
	uint32_t weight; /* 0: not to be chosen now */
	uint32_t active; /* exchanges under way there */
	int64_t credit;  /* round robin's; kept from choice to choice */
};

struct balancing {
	struct candidate *list; /* in order of writing */
	uint32_t count;
	uint64_t random; /* bits that nobody can foresee */
	uint64_t hash;   /* of what makes requests go together */
	/* Places in list, by hash: all that ever may be chosen. NULL: there is none. */
	const uint32_t *ring;
	uint32_t slots;
};

struct balance_ops {
	/* A place in list, or BALANCE_NOBODY where no weight is above 0. */
	uint32_t (*pick)(struct balancing *b);
};

/* In as many choices as the weights sum to each gets its weight, spread out (smooth). */
extern const struct balance_ops balance_round_robin;
/* The least to do for its weight; by chance among several of those. */
extern const struct balance_ops balance_least_request;
/* Two by chance, of them the one with less to do for its weight. */
extern const struct balance_ops balance_random_two;
/* The same for the same hash; where that one may not be chosen, others take its share alike. */
extern const struct balance_ops balance_maglev;

extern const struct balance_ops *const balance_kinds[BALANCES];

/* The next bits of a sequence that begins with random: splitmix64 (Steele et al., 2014). */
static inline uint64_t balance_mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 to below - 1, without a bias that anybody could measure. below > 0. */
static inline uint64_t balance_below(uint64_t *state, uint64_t below)
{
	return (uint64_t)(((unsigned __int128)balance_mix(state) * below) >> 64);
}

/* Whether a has less to do for its weight than b; both have one. */
static inline bool balance_is_less(const struct candidate *a, const struct candidate *b)
{
	return ((uint64_t)a->active + 1) * b->weight < ((uint64_t)b->active + 1) * a->weight;
}
