/*
 * splicer.h - the process's part of splicing: table elements, reserved ports, events, ageing.
 *
 * The workers hand sessions over (handover.h); the splicer owns what is left in the maps: it adopts
 * elements that it finds at start, ends those that are over, idle or asked to end, and frees ports
 * and elements. splicer_* run on the control thread unless said otherwise.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"
#include "userspace/flow/flow_table.h"
#include "userspace/model/model.h"

struct splice;
struct splicer;

/* The pinned maps, as the splicer needs them; all borrowed. */
struct splice_maps {
	struct splice *splices;  /* shunt_splices, mapped for reading and writing */
	uint32_t count;          /* elements */
	struct flow_table flows; /* shunt_flows */
	int events_fd;           /* shunt_events; one consumer */
	/* Index of a resolved next hop towards an address. Any thread. */
	bool (*next_hop)(void *context, const struct addr *to, uint32_t *out_index);
	/* Whether packets to this address are looked up among splices. Any thread. */
	bool (*expects)(void *context, const struct addr *to);
	void *context;
};

struct splicer_stats {
	uint64_t handover, active, closing;            /* elements now */
	uint64_t adopted, ended, reset, idled, reused; /* since start */
};

/*
 * Finds all elements in the pinned maps and adopts them: those in HANDOVER have lost their sockets
 * with the old daemon and are ended, those SPLICED go on. NULL where the process may not do
 * what splicing needs. is_shared: another process has the maps still; nothing is adopted, read or
 * spliced before splicer_take_over.
 */
struct splicer *splicer_create(const struct splice_maps *maps, const struct node *node,
			       bool is_shared, struct err *err);
/*
 * For an upgrade. The old process begins no more splices; true where none is being entered into the
 * map just now (ask again: it is a matter of microseconds). It must not sweep or read events then.
 */
bool splicer_release(struct splicer *splicer);
/* The new one adopts; what the old one is handing over comes when it is SPLICED. */
void splicer_take_over(struct splicer *splicer);
/* The old one has ended: what it was handing over has lost its sockets. */
void splicer_is_alone(struct splicer *splicer);
void splicer_destroy(struct splicer *splicer); /* splices go on in the kernel */

/* The process has moved to the cgroup of sk_query, and its answers are right. */
bool splicer_can_query(void);

/* To be watched for reading; splicer_on_events then. */
int splicer_events_fd(const struct splicer *splicer);
void splicer_on_events(struct splicer *splicer);
/* About once a second: ages, lingers, idles. */
void splicer_sweep(struct splicer *splicer, uint64_t now_ms, uint32_t idle_ms);
void splicer_stats(const struct splicer *splicer, struct splicer_stats *out_stats); /* any thread */
