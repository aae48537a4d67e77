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

enum splice_ending {
	SPLICE_ENDING_DONE,  /* both ends have finished */
	SPLICE_ENDING_RESET, /* by an end */
	SPLICE_ENDING_IDLE,
	SPLICE_ENDING_OLD,     /* as long as it may last */
	SPLICE_ENDING_KILLED,  /* by an operator */
	SPLICE_ENDING_DRAINED, /* its endpoint was drained or removed */
	SPLICE_ENDING_LOST,    /* its daemon died with sockets that were needed yet */
	SPLICE_ENDING_MOVED,   /* it was exported: another node has it */
	SPLICE_ENDINGS
};

struct splice_end {
	const struct splice *splice; /* as it was last */
	enum splice_ending how;
	bool by_endpoint; /* DONE: it finished first; RESET */
	uint64_t lived_ms;
};

/* Which ones; all fields at once, none: all. */
struct splice_choice {
	const struct addr *client; /* NULL: any; port 0: any */
	const struct addr *vip;    /* the same */
	const char *upstream;      /* NULL: any */
};

/* The pinned maps, as the splicer needs them; all borrowed. */
struct splice_maps {
	struct splice *splices;  /* shunt_splices, mapped for reading and writing */
	uint32_t count;          /* elements */
	struct flow_table flows; /* shunt_flows */
	int events_fd;           /* shunt_events; one consumer */
	/* Index of a next hop towards an address; false where it is not resolved (yet), or there is
	 * no route, and so no index. Any thread. */
	bool (*next_hop)(void *context, const struct addr *to, uint32_t *out_index);
	/* The same, also where it is not resolved yet; false: there is no way. Any thread. */
	bool (*way)(void *context, const struct addr *to, uint32_t *out_index, bool *out_ready);
	/* The device by which a next hop is reached; 0: not known. Any thread. */
	uint32_t (*device)(void *context, uint32_t hop);
	/* Whether packets to this address are looked up among splices. Any thread. */
	bool (*expects)(void *context, const struct addr *to);
	/* Whether our own connections come from this address. Any thread. */
	bool (*is_own)(void *context, const struct addr *address);
	void *context;
	/* A splice is over; on the control thread, which may be that of splicer_create. NULL:
	 * nobody. */
	void (*on_end)(void *context, const struct splice_end *end);
	void *end_context;
};

struct splicer_stats {
	uint64_t handover, active, closing, moved; /* elements now */
	uint64_t legs, legs_closing;               /* with sockets; lingering */
	uint64_t adopted, imported, reused;        /* since start */
	uint64_t endings[SPLICE_ENDINGS];          /* since start */
	uint32_t ports; /* in use now: of splices and other connections to endpoints */
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

/* To be watched for reading; splicer_on_events then. */
int splicer_events_fd(const struct splicer *splicer);
void splicer_on_events(struct splicer *splicer);
/*
 * Cuts at once, with a reset to both ends. Those whose sockets live still are cut when these are
 * gone: *out_later of them.
 */
void splicer_cut(struct splicer *splicer, const struct splice_choice *choice, uint32_t *out_cut,
		 uint32_t *out_later);
/* Routes or devices have changed: the next sweeps and looks of the workers follow. */
void splicer_reroute(struct splicer *splicer);
/* What is wanted of an endpoint. */
struct splicer_stay {
	uint32_t weight;
	bool over; /* its time to drain has ended */
};
/*
 * A new configuration; stays by endpoint.index. Where the endpoint of a splice is no more in it, or
 * its weight is 0, the splice may last as long as `drain` of its upstream says, unless it is over.
 */
void splicer_follow(struct splicer *splicer, const struct model *model,
		    const struct splicer_stay *stays);
/* About once a second: ages, lingers, idles, drains, follows routes. */
void splicer_sweep(struct splicer *splicer, uint64_t now_ms, uint32_t idle_ms);
void splicer_stats(const struct splicer *splicer, struct splicer_stats *out_stats); /* any thread */
