#include "userspace/splice/splice_way.h"

#include <string.h>

enum { LOOKS_A_SWEEP = 8192 }; /* each asks the kernel twice: some microseconds */

void splicer_reroute(struct splicer *splicer)
{
	atomic_fetch_add(&splicer->routes, 1);
}

/* Where packets of that direction are sent: to the tunnel's end, where they go into one. */
static struct addr sent_to(const struct splice *sp, uint32_t dir)
{
	bool tunnelled = dir == 0 && sp->dir[0].wraps;
	struct addr to = { 0 };

	memcpy(to.ip, tunnelled ? sp->tunnel.vtep : sp->dir[dir].out.dst, sizeof(to.ip));
	return to;
}

/* One aligned word, which the programs read once a packet. Without any route the old way stays: it
 * may come back. */
static void follow(struct splicer *splicer, struct splice *sp, uint32_t dir)
{
	struct addr to = sent_to(sp, dir);
	uint32_t hop = sp->dir[dir].next_hop;

	splicer->maps.next_hop(splicer->maps.context, &to, &hop);
	if (hop != sp->dir[dir].next_hop)
		__atomic_store_n(&sp->dir[dir].next_hop, hop, __ATOMIC_RELEASE);
}

uint32_t way_now(const struct splicer *splicer)
{
	return atomic_load(&((struct splicer *)splicer)->routes); /* atomics are not const */
}

void way_keep(struct splicer *splicer, struct splice *const sps[2], const uint32_t dirs[2],
	      uint32_t *seen)
{
	uint32_t now = way_now(splicer);

	for (int i = 0; i < 2 && now != *seen; i++)
		follow(splicer, sps[i], dirs[i]);
	*seen = now;
}

void way_hand_on(struct splicer *splicer, uint32_t seen)
{
	if (seen != way_now(splicer))
		splicer_reroute(splicer);
}

static void look_at(struct splicer *splicer, uint32_t i)
{
	struct splice *sp = &splicer->maps.splices[i];

	/* A leg without its socket only lingers. */
	if (atomic_load(&splicer->slots[i].owner) != SLOT_CONTROL || sp->state == SPLICE_LEG)
		return;
	for (uint32_t dir = 0; dir < 2; dir++)
		follow(splicer, sp, dir);
}

/* Round and round, until all were seen since the last change. */
void ways_sweep(struct splicer *splicer)
{
	uint32_t now = way_now(splicer), end, looks;

	pthread_mutex_lock(&splicer->lock);
	end = splicer->used_end;
	pthread_mutex_unlock(&splicer->lock);
	if (now != splicer->ways_seen) {
		splicer->ways_seen = now;
		splicer->ways_left = end;
	}
	looks = splicer->ways_left < LOOKS_A_SWEEP ? splicer->ways_left : LOOKS_A_SWEEP;
	splicer->ways_left -= looks;
	for (; looks > 0; looks--) {
		splicer->way_next = (splicer->way_next + 1) % end;
		look_at(splicer, splicer->way_next);
	}
}
