/*
 * What an older daemon left in the maps, or leaves while it ends, becomes ours.
 */
#include <bpf/bpf.h>

#include "userspace/base/log.h"
#include "userspace/splice/leg.h"
#include "userspace/splice/splicer_slots.h"

/* Its sockets died with the daemon: its ends are told, nothing can go on. */
static void end_lost(struct splicer *splicer, uint32_t i)
{
	slot_cut(splicer, i, SPLICE_ENDING_LOST);
}

/* SPLICED, CLOSED or MOVED: needs no socket. */
static void adopt_spliced(struct splicer *splicer, uint32_t i)
{
	slot_to_control(splicer, i);
	if (splicer->maps.splices[i].state == SPLICE_MOVED) {
		slot_keep_moved(splicer, i);
		return;
	}
	atomic_fetch_add(&splicer->adopted, 1);
	if (splicer->maps.splices[i].state == SPLICE_CLOSED)
		slot_close(splicer, i, LINGER_ENDED_MS);
}

/*
 * A leg whose daemon has died, amid a body or a change of its plan: nobody is there to end either.
 * What X still sends finds no socket, and is told so; the shifts make that fit.
 */
static void adopt_leg(struct splicer *splicer, uint32_t i)
{
	struct leg *leg = &splicer->maps.splices[i].leg;

	__atomic_or_fetch(&leg->turn, 1, __ATOMIC_SEQ_CST);
	leg->body = LEG_NONE;
	leg_plan_end(leg);
	slot_to_control(splicer, i);
}

void slot_look_at_foreign(struct splicer *splicer, uint32_t i, bool is_last)
{
	const struct splice *sp = &splicer->maps.splices[i];
	struct addr to = slot_endpoint(sp);

	switch (__atomic_load_n(&sp->state, __ATOMIC_ACQUIRE)) {
	case SPLICE_HANDOVER:
		if (is_last)
			end_lost(splicer, i);
		return;
	case SPLICE_LEG: /* with its socket gone it only lingers */
		if (is_last)
			adopt_leg(splicer, i);
		return;
	case SPLICE_FREE: /* the relay went on instead */
		rate_give(splicer, i);
		if (sp->source_port)
			splicer_port_give(splicer, &to, (uint16_t)sp->source_port);
		slot_give(splicer, i);
		return;
	default:
		adopt_spliced(splicer, i);
	}
}

static void adopt(struct splicer *splicer, uint32_t i, bool is_last)
{
	const struct splice *sp = &splicer->maps.splices[i];
	struct addr to = slot_endpoint(sp);

	atomic_store(&splicer->slots[i].owner, SLOT_FOREIGN);
	if (sp->source_port)
		ports_mark(splicer->ports, &to, (uint16_t)sp->source_port);
	slot_look_at_foreign(splicer, i, is_last);
}

static void adopt_all(struct splicer *splicer, bool is_last)
{
	uint32_t last = splicer->maps.count;

	while (last > 0 && splicer->maps.splices[last - 1].state == SPLICE_FREE)
		last--;
	splicer->used_end = last;
	rates_adopt(splicer, last);
	for (uint32_t i = last; i > 0; i--) {
		if (splicer->maps.splices[i - 1].state == SPLICE_FREE)
			slot_give(splicer, i - 1);
		else if (splicer->maps.splices[i - 1].state != SPLICE_BUCKET)
			adopt(splicer, i - 1, is_last);
	}
	if (atomic_load(&splicer->adopted) > 0)
		log_line(LOG_NOTICE, "adopted %llu spliced connections",
			 (unsigned long long)atomic_load(&splicer->adopted));
}

static bool is_stale(const struct splicer *splicer, uint64_t word)
{
	uint32_t i = FLOW_INDEX(word);

	return i >= splicer->maps.count || splicer->maps.splices[i].state == SPLICE_FREE ||
	       (splicer->maps.splices[i].generation & 0xffff) != FLOW_GENERATION(word);
}

/* A daemon that died between a key and its element leaves a key that leads nowhere. */
static void drop_stale_keys(struct splicer *splicer)
{
	const struct flow_table *flows = &splicer->maps.flows;
	struct flow_entry e;

	for (uint32_t i = 0; i < flows->count; i++)
		for (uint32_t way = 0; way < FLOW_WAYS; way++)
			if (flow_table_read(flows, i, way, &e) &&
			    FLOW_KIND(e.word) == FLOW_SPLICE && is_stale(splicer, e.word))
				flow_table_free(flows, i, way, e.word);
}

void splicer_adopt(struct splicer *splicer, bool is_last)
{
	adopt_all(splicer, is_last);
	drop_stale_keys(splicer);
	splicer_reroute(splicer); /* nobody may have looked meanwhile */
}

/* An element is ours from slot_take on, but others see that only by its state. */
bool splicer_release(struct splicer *splicer)
{
	bool entering = false;

	pthread_mutex_lock(&splicer->lock);
	splicer->closed = true;
	for (uint32_t i = 0; i < splicer->used_end; i++)
		entering |= atomic_load(&splicer->slots[i].owner) == SLOT_WORKER &&
			    __atomic_load_n(&splicer->maps.splices[i].state, __ATOMIC_ACQUIRE) ==
				    SPLICE_FREE;
	pthread_mutex_unlock(&splicer->lock);
	return !entering;
}

void splicer_take_over(struct splicer *splicer)
{
	splicer_adopt(splicer, false);
	pthread_mutex_lock(&splicer->lock);
	splicer->closed = false;
	pthread_mutex_unlock(&splicer->lock);
}

void splicer_is_alone(struct splicer *splicer)
{
	for (uint32_t i = 0; i < splicer->used_end; i++)
		if (atomic_load(&splicer->slots[i].owner) == SLOT_FOREIGN)
			slot_look_at_foreign(splicer, i, true);
}
