/*
 * splicer_slots.h - the splicer's inside, shared by its files (splice/ only).
 *
 * A slot is an element of shunt_splices and what we know of it beside. It belongs to a worker
 * while its state is HANDOVER, to the control thread afterwards.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "bpf/abi/splice.h"
#include "userspace/splice/device_cost.h"
#include "userspace/splice/fence.h"
#include "userspace/splice/handover.h"
#include "userspace/splice/ports.h"
#include "userspace/splice/splicer.h"

enum slot_owner {
	SLOT_FREE,
	SLOT_WORKER,
	SLOT_CONTROL,
	SLOT_BUCKET,  /* of rates, whoever uses it */
	SLOT_FOREIGN, /* a worker of the process before us, which ends, still has its sockets */
};

enum { LINGER_ENDED_MS = 60000 }; /* as TIME_WAIT */

struct slot {
	atomic_uint owner;   /* enum slot_owner */
	uint32_t next_free;  /* of a bucket: the next one in its chain */
	uint32_t pays[2];    /* as in struct splice */
	uint32_t refs;       /* of a bucket: splices that pay into it */
	uint32_t epoch;      /* of the splicer, at the last look at its endpoint */
	uint64_t packets;    /* at the last sweep */
	uint64_t changed_ms; /* when they last differed */
	atomic_bool cut;     /* as soon as it is the control thread's */
	uint64_t linger_ms;  /* until when the keys stay; 0: not over */
};

enum { RATE_CHAINS = 4096 };

struct splicer {
	struct splice_maps maps;
	struct ports *ports;
	struct fence *fence;
	struct device_costs *costs;
	struct ring_buffer *events;
	pthread_mutex_t lock;           /* of the free list */
	uint32_t first_free, last_free; /* oldest first: a slot rests before it is used again */
	uint32_t used_end;              /* slots from here on were never used */
	struct slot *slots;
	atomic_uint_fast64_t adopted, imported, reused, endings[SPLICE_ENDINGS];
	pthread_mutex_t rates_lock;              /* of buckets; taken before lock */
	uint32_t rates[RATE_CHAINS];             /* their chains, under that lock */
	uint64_t now_ms;                         /* of the last sweep */
	atomic_uint routes;                      /* how often they have changed */
	uint32_t ways_seen, ways_left, way_next; /* splice_way.c, the control thread's */
	struct staying *staying; /* endpoints and upstreams of the configuration, sorted */
	uint32_t staying_count;
	uint32_t epoch;     /* counts configurations; 0: none yet */
	atomic_bool closed; /* another process takes slots and ports; set under the lock */
};

#define SLOT_NONE UINT32_MAX

/* Any thread. */
uint32_t slot_take(struct splicer *splicer);
/* The keys are gone; any thread. */
void slot_give(struct splicer *splicer, uint32_t i);
bool slot_install(struct splicer *splicer, uint32_t i, const struct flow_key keys[2]);
void slot_uninstall(struct splicer *splicer, uint32_t i);
/* The key under which packets of that direction arrive; a leg has direction 0 only. */
struct flow_key slot_key(const struct splice *sp, uint32_t dir);
/* The control thread owns it from here on. */
void slot_to_control(struct splicer *splicer, uint32_t i);

/* Keys, port and slot are free again; slot_free: where the keys are gone already. */
void slot_free(struct splicer *splicer, uint32_t i);
void slot_end(struct splicer *splicer, uint32_t i);
/* Packets of an ended splice still find it for so long. */
void slot_close(struct splicer *splicer, uint32_t i, uint64_t linger_ms);
struct addr slot_endpoint(const struct splice *sp);

/* --- splicer_end.c */

void slot_tell_end(struct splicer *splicer, uint32_t i, enum splice_ending how);
/* Its ends have agreed: the keys linger. */
void slot_over(struct splicer *splicer, uint32_t i, enum splice_ending how);
/* Its ends are told; nothing is left of it. */
void slot_cut(struct splicer *splicer, uint32_t i, enum splice_ending how);
bool slot_is_meant(const struct splice *sp, const struct splice_choice *choice);
/* Whether it must be cut now; SPLICE_ENDINGS: no. idle_ms: where it has none of its own. */
enum splice_ending slot_overdue(const struct splicer *splicer, uint32_t i, uint32_t idle_ms);

/* --- splicer_rate.c; any thread */

/* Before the keys: it pays into the buckets of these rates from its first packet on. */
void rate_take(struct splicer *splicer, uint32_t i, const struct splice_rate *rate,
	       const struct addr *client);
/* When the keys are gone, or the body is over. */
void rate_give(struct splicer *splicer, uint32_t i);
/* A bucket that nobody uses goes when it is empty: who begins anew must not get it all at once. */
void rate_sweep(struct splicer *splicer, uint32_t i);
/* The buckets that another process left, and what uses them; control thread. */
void rates_adopt(struct splicer *splicer, uint32_t count);

/* --- splicer_move.c */

/* Packets of an exported splice are dropped here for so long, if nobody says forget before. */
void slot_keep_moved(struct splicer *splicer, uint32_t i);

/* --- splicer_drain.c */

/* Whether its endpoint is on its way out, by the newest configuration. */
void slot_follow(struct splicer *splicer, uint32_t i);

/* --- splicer_adopt.c */

/* is_last: nobody else has a socket of a splice in HANDOVER, so that it is lost. */
void splicer_adopt(struct splicer *splicer, bool is_last);
void slot_look_at_foreign(struct splicer *splicer, uint32_t i, bool is_last);

/* --- handover.c */

bool sk_state_read(int fd, struct sk_state *out_state);
/* What each end may be sent must fit what the other was told to send (docs/splice.md, MSS). */
bool segments_fit(const struct conn *from, const struct conn *to);
/* Towards the endpoint's host where it is in a vpc, else towards the peer. */
bool splice_hop(struct splicer *splicer, const struct conn *to, uint32_t *out_index);
/* What leaves by dir[0] goes into the tunnel of that connection, if it has one. */
void splice_tunnel(struct splice *sp, const struct conn *to);
struct flow_key splice_key(const struct addr *src, const struct addr *dst);
