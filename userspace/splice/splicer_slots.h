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
#include "userspace/splice/fence.h"
#include "userspace/splice/handover.h"
#include "userspace/splice/ports.h"
#include "userspace/splice/splicer.h"

enum slot_owner { SLOT_FREE, SLOT_WORKER, SLOT_CONTROL };

struct slot {
	atomic_uint owner; /* enum slot_owner */
	uint32_t next_free;
	uint32_t idle_ms;
	uint64_t packets;    /* at the last sweep */
	uint64_t changed_ms; /* when they last differed */
	uint64_t linger_ms;  /* until when the keys stay; 0: not over */
};

struct splicer {
	struct splice_maps maps;
	struct ports *ports;
	struct fence *fence;
	struct ring_buffer *events;
	pthread_mutex_t lock;           /* of the free list */
	uint32_t first_free, last_free; /* oldest first: a slot rests before it is used again */
	uint32_t used_end;              /* slots from here on were never used */
	struct slot *slots;
	atomic_uint_fast64_t adopted, ended, reset, idled, reused;
	uint64_t now_ms; /* of the last sweep */
};

#define SLOT_NONE UINT32_MAX

/* Any thread. */
uint32_t slot_take(struct splicer *splicer);
/* The keys are gone; any thread. */
void slot_give(struct splicer *splicer, uint32_t i);
bool slot_install(struct splicer *splicer, uint32_t i, const struct flow_key keys[2]);
void slot_uninstall(struct splicer *splicer, uint32_t i);
/* The key under which packets of that direction arrive: the other direction's way out, reversed. */
struct flow_key slot_key(const struct splice *sp, uint32_t dir);
/* The control thread owns it from here on. */
void slot_to_control(struct splicer *splicer, uint32_t i, uint32_t idle_ms);

bool sk_state_read(int fd, struct sk_state *out_state);
