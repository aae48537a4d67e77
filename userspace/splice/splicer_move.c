#include "userspace/splice/splicer_move.h"

#include <arpa/inet.h>
#include <string.h>

#include "userspace/base/grace.h"
#include "userspace/splice/splicer_slots.h"

/* As long as TCP goes on sending again (tcp_retries2): a late packet must not be answered by our
 * stack, which would reset the connection at the other node. */
enum { KEEP_MOVED_MS = 15 * 60 * 1000 };

const char *const splice_import_texts[SPLICE_IMPORTS] = {
	[SPLICE_IMPORT_DONE] = "imported",
	[SPLICE_IMPORT_CLOSED] = "another shuntd takes the place of this one just now; try again",
	[SPLICE_IMPORT_VIP] = "the vip's address belongs to no listener here that splices",
	[SPLICE_IMPORT_SOURCE] = "the source is neither this node's nor one of its guest_addresses",
	[SPLICE_IMPORT_NO_WAY] = "there is no route to one of its ends by a device of this node",
	[SPLICE_IMPORT_PORT] = "the source's port is used here already, or is none of splice_ports",
	[SPLICE_IMPORT_FULL] = "no entry is free; raise node.splices",
	[SPLICE_IMPORT_HERE] = "a splice with one of its ends is here already",
};

void slot_keep_moved(struct splicer *splicer, uint32_t i)
{
	splicer->slots[i].linger_ms = splicer->now_ms + KEEP_MOVED_MS;
}

static uint32_t state_of(const struct splicer *splicer, uint32_t i)
{
	return __atomic_load_n(&splicer->maps.splices[i].state, __ATOMIC_ACQUIRE);
}

static bool is_ours(const struct splicer *splicer, uint32_t i)
{
	return atomic_load(&splicer->slots[i].owner) == SLOT_CONTROL;
}

/* Workers take slots meanwhile. */
static uint32_t used(struct splicer *splicer)
{
	uint32_t end;

	pthread_mutex_lock(&splicer->lock);
	end = splicer->used_end;
	pthread_mutex_unlock(&splicer->lock);
	return end;
}

static void state_set(struct splicer *splicer, uint32_t i, uint32_t state)
{
	__atomic_store_n(&splicer->maps.splices[i].state, state, __ATOMIC_RELEASE);
}

/* A leg's key is its client's or its endpoint's: by the vip one of a session is known. */
static bool leg_is_meant(const struct splice *sp, const struct splice_choice *choice)
{
	const struct flow_key *key = &sp->leg.key; /* of what X sends, to an address of ours */

	return !choice->vip || (memcmp(key->dst, choice->vip->ip, sizeof(key->dst)) == 0 &&
				(!choice->vip->port || choice->vip->port == key->dport));
}

static void freeze(struct splicer *splicer, uint32_t i, const struct splice_choice *choice,
		   struct splice_moving *moving)
{
	const struct splice *sp = &splicer->maps.splices[i];
	uint32_t state = state_of(splicer, i);
	bool over = sp->events & (SPLICE_ENDED | SPLICE_RESET);

	if (state == SPLICE_LEG) {
		moving->bodies += leg_is_meant(sp, choice);
		return;
	}
	if (state == SPLICE_FREE || state == SPLICE_BUCKET || !slot_is_meant(sp, choice))
		return;
	if (state == SPLICE_CLOSED || over) {
		moving->ended++;
	} else if (state != SPLICE_SPLICED || !is_ours(splicer, i)) {
		moving->sockets++;
	} else {
		state_set(splicer, i, SPLICE_MOVED);
		slot_keep_moved(splicer, i);
		moving->moved++;
	}
}

static uint32_t waiting(struct splicer *splicer, const struct splice_choice *choice)
{
	uint32_t n = 0;

	for (uint32_t i = 0, end = used(splicer); i < end; i++)
		n += state_of(splicer, i) == SPLICE_MOVED &&
		     slot_is_meant(&splicer->maps.splices[i], choice);
	return n;
}

/* By a packet that was still on its way: nothing is left to be moved. */
static void look_once_more(struct splicer *splicer, uint32_t i, const struct splice_choice *choice,
			   struct splice_moving *moving)
{
	const struct splice *sp = &splicer->maps.splices[i];
	uint32_t events = __atomic_load_n(&sp->events, __ATOMIC_ACQUIRE);

	if (state_of(splicer, i) != SPLICE_MOVED || !slot_is_meant(sp, choice) ||
	    !(events & (SPLICE_ENDED | SPLICE_RESET)))
		return;
	slot_over(splicer, i, events & SPLICE_ENDED ? SPLICE_ENDING_DONE : SPLICE_ENDING_RESET);
	moving->moved--;
	moving->ended++;
}

bool splicer_freeze(struct splicer *splicer, const struct splice_choice *choice,
		    struct splice_moving *out_moving)
{
	*out_moving = (struct splice_moving){ .waiting = waiting(splicer, choice) };
	if (out_moving->waiting > 0)
		return false;
	for (uint32_t i = 0, end = used(splicer); i < end; i++)
		freeze(splicer, i, choice, out_moving);
	/* A packet that was looked at before may still be on its way through the program. */
	if (out_moving->moved > 0)
		grace_wait();
	for (uint32_t i = 0, end = used(splicer); i < end && out_moving->moved > 0; i++)
		look_once_more(splicer, i, choice, out_moving);
	return true;
}

void splicer_resume(struct splicer *splicer, const struct splice_choice *choice,
		    struct splice_moving *out_moving)
{
	*out_moving = (struct splice_moving){ 0 };
	for (uint32_t i = 0, end = used(splicer); i < end; i++) {
		if (state_of(splicer, i) != SPLICE_MOVED || !is_ours(splicer, i) ||
		    !slot_is_meant(&splicer->maps.splices[i], choice))
			continue;
		slot_to_control(splicer, i); /* its idle time begins anew */
		state_set(splicer, i, SPLICE_SPLICED);
		out_moving->moved++;
	}
}

void splicer_forget(struct splicer *splicer, const struct splice_choice *choice,
		    struct splice_moving *out_moving)
{
	*out_moving = (struct splice_moving){ 0 };
	for (uint32_t i = 0, end = used(splicer); i < end; i++) {
		if (state_of(splicer, i) != SPLICE_MOVED || !is_ours(splicer, i) ||
		    !slot_is_meant(&splicer->maps.splices[i], choice))
			continue;
		slot_tell_end(splicer, i, SPLICE_ENDING_MOVED);
		slot_end(splicer, i);
		out_moving->moved++;
	}
}

/* --- import ----------------------------------------------------------------------------- */

static struct addr addr_of(const __be32 *ip)
{
	struct addr a = { 0 };

	memcpy(a.ip, ip, sizeof(a.ip));
	return a;
}

/* Of both directions; by the tunnel's host where there is one. */
static bool find_ways(struct splicer *splicer, const struct splice *from, uint32_t out_hops[2],
		      bool *out_ready)
{
	const struct splice_maps *maps = &splicer->maps;

	*out_ready = true;
	for (int dir = 0; dir < 2; dir++) {
		struct addr to = addr_of(dir == 0 && from->dir[0].wraps ? from->tunnel.vtep
									: from->dir[dir].out.dst);
		bool ready = false;

		if (!maps->way(maps->context, &to, &out_hops[dir], &ready))
			return false;
		*out_ready &= ready;
	}
	return true;
}

/* One that only lingers makes room, as for a new connection with its port. */
static bool is_here(struct splicer *splicer, const struct splice *from)
{
	for (uint32_t dir = 0; dir < 2; dir++) {
		struct flow_key key = slot_key(from, dir);
		uint64_t word = flow_table_find(&splicer->maps.flows, &key);
		uint32_t i = FLOW_INDEX(word);

		if (FLOW_KIND(word) != FLOW_SPLICE)
			continue;
		if (i >= splicer->maps.count || !is_ours(splicer, i) ||
		    state_of(splicer, i) != SPLICE_CLOSED)
			return true;
		atomic_fetch_add(&splicer->reused, 1);
		slot_end(splicer, i);
	}
	return false;
}

static enum splice_import check(struct splicer *splicer, const struct splice *from)
{
	const struct splice_maps *maps = &splicer->maps;
	struct addr vip = addr_of(from->dir[1].out.src), source = addr_of(from->dir[0].out.src);

	if (!maps->expects(maps->context, &vip))
		return SPLICE_IMPORT_VIP;
	if (!maps->expects(maps->context, &source))
		return SPLICE_IMPORT_SOURCE;
	if (splicer->closed)
		return SPLICE_IMPORT_CLOSED;
	return is_here(splicer, from) ? SPLICE_IMPORT_HERE : SPLICE_IMPORT_DONE;
}

/*
 * *out_port: reserved here; 0: of a guest address, from which nobody here connects, and whose port
 * another connection of ours to that endpoint has from an address of its own.
 */
static bool reserve(struct splicer *splicer, const struct splice *from, uint16_t *out_port)
{
	const struct splice_maps *maps = &splicer->maps;
	struct addr source = addr_of(from->dir[0].out.src), to = slot_endpoint(from);
	uint16_t port = ntohs(from->dir[0].out.sport);

	*out_port = port;
	if (ports_mark(splicer->ports, &to, port))
		return true;
	*out_port = 0;
	return !maps->is_own(maps->context, &source);
}

/* Everything is in its place before the programs may look at it. */
static bool enter(struct splicer *splicer, uint32_t i, const struct splice_arrival *arrival,
		  const uint32_t hops[2], uint16_t port)
{
	struct splice made = arrival->splice;
	struct addr client = addr_of(made.dir[1].out.dst);
	struct flow_key keys[2];

	made.state = SPLICE_FREE;
	made.generation = splicer->maps.splices[i].generation + 1;
	made.events = 0;
	made.worker = 0;
	made.source_port = port;
	for (uint32_t dir = 0; dir < 2; dir++) {
		made.dir[dir].next_hop = hops[dir];
		keys[dir] = slot_key(&made, dir);
	}
	splicer->maps.splices[i] = made;
	rate_take(splicer, i, &arrival->rate, &client);
	state_set(splicer, i, SPLICE_SPLICED);
	if (slot_install(splicer, i, keys))
		return true;
	slot_uninstall(splicer, i);
	return false;
}

enum splice_import splicer_import(struct splicer *splicer, const struct splice_arrival *arrival,
				  bool *out_ready)
{
	const struct splice *from = &arrival->splice;
	enum splice_import got = check(splicer, from);
	struct addr to = slot_endpoint(from);
	uint32_t hops[2], i;
	uint16_t port;

	if (got != SPLICE_IMPORT_DONE)
		return got;
	if (!find_ways(splicer, from, hops, out_ready))
		return SPLICE_IMPORT_NO_WAY;
	if (!reserve(splicer, from, &port))
		return SPLICE_IMPORT_PORT;
	got = SPLICE_IMPORT_FULL;
	i = slot_take(splicer);
	if (i == SLOT_NONE)
		goto give_port;
	got = SPLICE_IMPORT_HERE;
	if (!enter(splicer, i, arrival, hops, port))
		goto give_slot;
	slot_to_control(splicer, i);
	atomic_fetch_add(&splicer->imported, 1);
	return SPLICE_IMPORT_DONE;
give_slot:
	slot_give(splicer, i);
give_port:
	if (port)
		ports_give(splicer->ports, &to, port);
	return got;
}
