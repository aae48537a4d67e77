#include "userspace/splice/splicer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi/event.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/net/reserved_ports.h"
#include "userspace/splice/segment.h"
#include "userspace/splice/splice_way.h"
#include "userspace/splice/splicer_slots.h"

uint32_t slot_take(struct splicer *splicer)
{
	uint32_t i = SLOT_NONE;

	pthread_mutex_lock(&splicer->lock);
	if (splicer->closed) {
		i = SLOT_NONE;
	} else if (splicer->used_end < splicer->maps.count) {
		i = splicer->used_end++;
	} else if (splicer->first_free != SLOT_NONE) {
		i = splicer->first_free;
		splicer->first_free = splicer->slots[i].next_free;
	}
	if (i != SLOT_NONE) {
		atomic_store(&splicer->slots[i].cut, false);
		atomic_store(&splicer->slots[i].owner, SLOT_WORKER);
	}
	pthread_mutex_unlock(&splicer->lock);
	return i;
}

void slot_give(struct splicer *splicer, uint32_t i)
{
	struct slot *slot = &splicer->slots[i];

	atomic_store(&slot->owner, SLOT_FREE);
	pthread_mutex_lock(&splicer->lock);
	slot->next_free = SLOT_NONE;
	if (splicer->first_free == SLOT_NONE)
		splicer->first_free = i;
	else
		splicer->slots[splicer->last_free].next_free = i;
	splicer->last_free = i;
	pthread_mutex_unlock(&splicer->lock);
}

bool slot_install(struct splicer *splicer, uint32_t i, const struct flow_key keys[2])
{
	const struct splice_maps *maps = &splicer->maps;

	for (uint32_t dir = 0; dir < 2; dir++) {
		struct addr to = { 0 };

		memcpy(to.ip, keys[dir].dst, sizeof(to.ip));
		/* Two splices with one key would be a broken promise of ports.h. */
		if (!maps->expects(maps->context, &to) ||
		    !flow_table_enter_splice(&maps->flows, &keys[dir], dir, i,
					     maps->splices[i].generation))
			return false;
	}
	return true;
}

struct flow_key slot_key(const struct splice *sp, uint32_t dir)
{
	const struct flow_key *out = &sp->dir[!dir].out;
	struct flow_key key = { .sport = out->dport, .dport = out->sport, .proto = out->proto };

	if (sp->state == SPLICE_LEG)
		return sp->leg.key;
	memcpy(key.src, out->dst, sizeof(key.src));
	memcpy(key.dst, out->src, sizeof(key.dst));
	return key;
}

void slot_uninstall(struct splicer *splicer, uint32_t i)
{
	struct splice *sp = &splicer->maps.splices[i];

	for (uint32_t dir = 0; dir < (sp->state == SPLICE_LEG ? 1 : 2); dir++) {
		struct flow_key key = slot_key(sp, dir);

		flow_table_remove_splice(&splicer->maps.flows, &key, i, sp->generation);
	}
	rate_give(splicer, i);
	__atomic_store_n(&sp->state, SPLICE_FREE, __ATOMIC_RELEASE);
}

void slot_to_control(struct splicer *splicer, uint32_t i)
{
	struct slot *slot = &splicer->slots[i];

	slot->packets = 0;
	slot->epoch = 0;
	slot->changed_ms = 0; /* the next sweep sets it */
	slot->linger_ms = splicer->maps.splices[i].state == SPLICE_LEG
				  ? clock_monotonic_ms() + LINGER_ENDED_MS
				  : 0;
	atomic_store(&slot->owner, SLOT_CONTROL);
}

struct addr slot_endpoint(const struct splice *sp)
{
	struct addr to = { .port = sp->dir[0].out.dport };

	memcpy(to.ip, sp->dir[0].out.dst, sizeof(to.ip));
	return to;
}

void slot_free(struct splicer *splicer, uint32_t i)
{
	struct splice *sp = &splicer->maps.splices[i];
	struct addr to = slot_endpoint(sp);
	uint16_t port = (uint16_t)sp->source_port;

	if (port)
		ports_give(splicer->ports, &to, port);
	slot_give(splicer, i);
}

void slot_end(struct splicer *splicer, uint32_t i)
{
	slot_uninstall(splicer, i);
	slot_free(splicer, i);
}

void slot_close(struct splicer *splicer, uint32_t i, uint64_t linger_ms)
{
	struct splice *sp = &splicer->maps.splices[i];

	splicer->slots[i].linger_ms = splicer->now_ms + linger_ms;
	__atomic_store_n(&sp->state, SPLICE_CLOSED, __ATOMIC_RELEASE);
}

/* A SYN on a key: an ended splice makes room; a live one asks X whether it still knows it. */
static void on_reused(struct splicer *splicer, uint32_t i)
{
	struct splice *sp = &splicer->maps.splices[i];

	__atomic_and_fetch(&sp->events, ~(uint32_t)SPLICE_REUSED, __ATOMIC_ACQ_REL);
	if (sp->state == SPLICE_MOVED)
		return; /* of when it was here: its keys are to stay */
	if (splicer->slots[i].linger_ms > 0) {
		atomic_fetch_add(&splicer->reused, 1);
		slot_end(splicer, i);
		return;
	}
	/* RFC 5961, 4: a challenge; who has really forgotten answers with a reset that fits. */
	segment_send(sp, 0, SEGMENT_ACK);
	segment_send(sp, 1, SEGMENT_ACK);
}

static void look_at_events(struct splicer *splicer, uint32_t i)
{
	struct splice *sp = &splicer->maps.splices[i];
	uint32_t events = __atomic_load_n(&sp->events, __ATOMIC_ACQUIRE);
	bool lived = splicer->slots[i].linger_ms == 0;

	/* An end that has forgotten a connection answers late packets with a reset: no news. */
	if (lived && events & SPLICE_ENDED) {
		slot_over(splicer, i, SPLICE_ENDING_DONE);
	} else if (lived && events & SPLICE_RESET) {
		slot_over(splicer, i, SPLICE_ENDING_RESET);
	}
	if (!(events & SPLICE_REUSED))
		return;
	/* One from before the end, as late ones of its own handshake, makes no room; a new
	 * connection asks again. */
	if (lived && events & (SPLICE_ENDED | SPLICE_RESET))
		__atomic_and_fetch(&sp->events, ~(uint32_t)SPLICE_REUSED, __ATOMIC_ACQ_REL);
	else
		on_reused(splicer, i);
}

static int on_event(void *context, void *data, size_t size)
{
	struct splicer *splicer = context;
	const struct event *event = data;

	/* The owner first: a worker may be filling the element for its next use. */
	if (size >= sizeof(*event) && event->splice < splicer->maps.count &&
	    atomic_load(&splicer->slots[event->splice].owner) == SLOT_CONTROL &&
	    splicer->maps.splices[event->splice].generation == event->generation)
		look_at_events(splicer, event->splice);
	return 0;
}

int splicer_events_fd(const struct splicer *splicer)
{
	return ring_buffer__epoll_fd(splicer->events);
}

void splicer_on_events(struct splicer *splicer)
{
	ring_buffer__consume(splicer->events);
}

/* drain has done its work and must not fall 2^31 behind: it would look like bytes that were sent,
 * and let acknowledgements of the future pass. */
static void raise_drains(struct splice *sp)
{
	for (int i = 0; i < 2; i++) {
		struct splice_dir *d = &sp->dir[i];
		uint32_t acked = __atomic_load_n(&d->max_ack, __ATOMIC_RELAXED);

		if ((int32_t)(acked - d->drain) > 0)
			__atomic_store_n(&d->drain, acked, __ATOMIC_RELAXED);
	}
}

static void sweep_slot(struct splicer *splicer, uint32_t i, uint32_t idle_ms)
{
	struct splice *sp = &splicer->maps.splices[i];
	struct slot *slot = &splicer->slots[i];
	enum splice_ending how;
	uint64_t packets;

	if (sp->state != SPLICE_LEG)
		look_at_events(splicer, i); /* they get lost when the ring buffer is full */
	if (atomic_load(&slot->owner) != SLOT_CONTROL)
		return;
	if (slot->linger_ms > 0) {
		if (splicer->now_ms < slot->linger_ms)
			return;
		if (sp->state == SPLICE_MOVED)
			slot_tell_end(splicer, i, SPLICE_ENDING_MOVED);
		slot_end(splicer, i);
		return;
	}
	packets = sp->dir[0].packets + sp->dir[1].packets;
	if (packets != slot->packets || slot->changed_ms == 0) {
		raise_drains(sp);
		slot->packets = packets;
		slot->changed_ms = splicer->now_ms;
	}
	if (slot->epoch != splicer->epoch)
		slot_follow(splicer, i);
	how = slot_overdue(splicer, i, idle_ms);
	if (how != SPLICE_ENDINGS)
		slot_cut(splicer, i, how);
}

void splicer_sweep(struct splicer *splicer, uint64_t now_ms, uint32_t idle_ms)
{
	uint32_t end;

	splicer->now_ms = now_ms;
	pthread_mutex_lock(&splicer->lock);
	end = splicer->used_end;
	pthread_mutex_unlock(&splicer->lock);
	for (uint32_t i = 0; i < end; i++) {
		if (atomic_load(&splicer->slots[i].owner) == SLOT_FOREIGN)
			slot_look_at_foreign(splicer, i, false);
		if (atomic_load(&splicer->slots[i].owner) == SLOT_CONTROL)
			sweep_slot(splicer, i, idle_ms);
		else if (atomic_load(&splicer->slots[i].owner) == SLOT_BUCKET)
			rate_sweep(splicer, i);
	}
	ways_sweep(splicer);
}

void splicer_stats(const struct splicer *splicer, struct splicer_stats *out_stats)
{
	struct splicer *s = (struct splicer *)splicer; /* the lock and atomics are not const */
	struct splicer_stats st = { .adopted = atomic_load(&s->adopted),
				    .imported = atomic_load(&s->imported),
				    .reused = atomic_load(&s->reused) };
	uint32_t end;

	for (int i = 0; i < SPLICE_ENDINGS; i++)
		st.endings[i] = atomic_load(&s->endings[i]);
	pthread_mutex_lock(&s->lock);
	end = s->used_end;
	pthread_mutex_unlock(&s->lock);
	for (uint32_t i = 0; i < end; i++) {
		uint32_t state = __atomic_load_n(&s->maps.splices[i].state, __ATOMIC_RELAXED);

		st.handover += state == SPLICE_HANDOVER;
		st.active += state == SPLICE_SPLICED;
		st.closing += state == SPLICE_CLOSED;
		st.moved += state == SPLICE_MOVED;
		if (state != SPLICE_LEG)
			continue;
		if (atomic_load(&s->slots[i].owner) == SLOT_CONTROL)
			st.legs_closing++;
		else
			st.legs++;
	}
	st.ports = ports_in_use(s->ports);
	*out_stats = st;
}

uint16_t splicer_port_take(struct splicer *splicer, const struct addr *to)
{
	return splicer->closed ? 0 : ports_take(splicer->ports, to);
}

void splicer_port_give(struct splicer *splicer, const struct addr *to, uint16_t port)
{
	if (splicer)
		ports_give(splicer->ports, to, port);
}

/* --- start ------------------------------------------------------------------------------ */

static bool may_repair(struct err *err)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	bool ok = fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) == 0;

	if (!ok)
		err_sys(err, "splicing needs TCP_REPAIR, which needs CAP_NET_ADMIN");
	if (fd >= 0)
		close(fd);
	return ok;
}

struct splicer *splicer_create(const struct splice_maps *maps, const struct node *node,
			       bool is_shared, struct err *err)
{
	struct splicer *splicer;

	if (!may_repair(err))
		return NULL;
	splicer = must_alloc(sizeof(*splicer));
	splicer->maps = *maps;
	splicer->now_ms = clock_monotonic_ms(); /* what is adopted lingers from now */
	splicer->first_free = splicer->last_free = SLOT_NONE;
	splicer->slots = must_alloc(maps->count * sizeof(splicer->slots[0]));
	splicer->ports = ports_create(node->splice_port_first, node->splice_port_last);
	pthread_mutex_init(&splicer->lock, NULL);
	pthread_mutex_init(&splicer->rates_lock, NULL);
	rates_adopt(splicer, 0);
	splicer->events = ring_buffer__new(maps->events_fd, on_event, splicer, NULL);
	if (!splicer->events) {
		err_sys(err, "cannot read the ring buffer shunt_events");
		splicer_destroy(splicer);
		return NULL;
	}
	splicer->fence = fence_create();
	splicer->costs = device_costs_create();
	/* After the silent close our ports look free to the kernel. */
	reserved_ports_add(node->splice_port_first, node->splice_port_last);
	splicer->closed = is_shared;
	if (!is_shared)
		splicer_adopt(splicer, true);
	return splicer;
}

void splicer_destroy(struct splicer *splicer)
{
	if (!splicer)
		return;
	if (splicer->events)
		ring_buffer__free(splicer->events);
	fence_destroy(splicer->fence);
	device_costs_destroy(splicer->costs);
	ports_destroy(splicer->ports);
	pthread_mutex_destroy(&splicer->lock);
	pthread_mutex_destroy(&splicer->rates_lock);
	free(splicer->slots);
	free(splicer->staying);
	free(splicer);
}
