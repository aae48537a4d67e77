/*
 * How splices end: seen by the programs, by age, or cut.
 */
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/splice/segment.h"
#include "userspace/splice/splicer_slots.h"

enum { LINGER_RESET_MS = 10000 };

void slot_tell_end(struct splicer *splicer, uint32_t i, enum splice_ending how)
{
	const struct splice *sp = &splicer->maps.splices[i];
	uint64_t now_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;
	struct splice_end end = { .splice = sp, .how = how };

	/* A clock that was set, or an element of another machine: no time is better than a wrong
	 * one. */
	end.lived_ms = now_ms > sp->started_ms ? now_ms - sp->started_ms : 0;
	/* 2 is second: where the client's was, the endpoint closed. */
	end.by_endpoint = sp->dir[0].fin != 1 && sp->dir[1].fin == 1;
	if (how == SPLICE_ENDING_RESET)
		end.by_endpoint = sp->events & SPLICE_RESET_BY_ENDPOINT;
	atomic_fetch_add(&splicer->endings[how], 1);
	if (splicer->maps.on_end)
		splicer->maps.on_end(splicer->maps.end_context, &end);
}

void slot_over(struct splicer *splicer, uint32_t i, enum splice_ending how)
{
	slot_tell_end(splicer, i, how);
	slot_close(splicer, i, how == SPLICE_ENDING_RESET ? LINGER_RESET_MS : LINGER_ENDED_MS);
}

/*
 * The keys first: numbers stand still then. What an end has still on its way finds no splice, and
 * our stack, which knows no socket for it either, answers by a reset with just its number.
 */
void slot_cut(struct splicer *splicer, uint32_t i, enum splice_ending how)
{
	const struct splice *sp = &splicer->maps.splices[i];

	slot_tell_end(splicer, i, how);
	slot_uninstall(splicer, i);
	segment_reset(sp, 0);
	segment_reset(sp, 1);
	slot_free(splicer, i);
}

enum splice_ending slot_overdue(const struct splicer *splicer, uint32_t i, uint32_t idle_ms)
{
	const struct splice *sp = &splicer->maps.splices[i];
	const struct slot *slot = &splicer->slots[i];
	uint64_t now_ms = clock_ns(CLOCK_BOOTTIME) / 1000000u;

	if (atomic_load(&slot->cut))
		return SPLICE_ENDING_KILLED;
	if (sp->most_ms && now_ms >= sp->started_ms + sp->most_ms)
		return SPLICE_ENDING_OLD;
	if (sp->drained_ms && sp->drain_ms && now_ms >= sp->drained_ms + sp->drain_ms)
		return SPLICE_ENDING_DRAINED;
	if (splicer->now_ms - slot->changed_ms >= (sp->idle_ms ? sp->idle_ms : idle_ms))
		return SPLICE_ENDING_IDLE;
	return SPLICE_ENDINGS;
}

/* Port 0: any. */
static bool is_at(const struct addr *wanted, const __be32 *ip, __be16 port)
{
	return !wanted || (memcmp(wanted->ip, ip, sizeof(wanted->ip)) == 0 &&
			   (!wanted->port || wanted->port == port));
}

bool slot_is_meant(const struct splice *sp, const struct splice_choice *choice)
{
	const struct flow_key *key = &sp->dir[1].out;

	if (choice->upstream &&
	    strncmp((const char *)sp->name, choice->upstream, sizeof(sp->name) - 1) != 0)
		return false;
	return is_at(choice->client, key->dst, key->dport) &&
	       is_at(choice->vip, key->src, key->sport);
}

void splicer_cut(struct splicer *splicer, const struct splice_choice *choice, uint32_t *out_cut,
		 uint32_t *out_later)
{
	*out_cut = *out_later = 0;
	for (uint32_t i = 0; i < splicer->used_end; i++) {
		const struct splice *sp = &splicer->maps.splices[i];
		struct slot *slot = &splicer->slots[i];
		uint32_t state = __atomic_load_n(&sp->state, __ATOMIC_ACQUIRE);
		uint32_t owner = atomic_load(&slot->owner);

		if ((state != SPLICE_SPLICED && state != SPLICE_HANDOVER) || owner == SLOT_FREE ||
		    !slot_is_meant(sp, choice))
			continue;
		if (owner != SLOT_CONTROL) {
			atomic_store(&slot->cut,
				     true); /* its sockets live: a sweep sees when they don't */
			++*out_later;
		} else if (slot->linger_ms == 0) {
			slot_cut(splicer, i, SPLICE_ENDING_KILLED);
			++*out_cut;
		}
	}
}
