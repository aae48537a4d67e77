/*
 * splicer_move.h - full splices leave for another node, and come from one.
 *
 * Of two nodes only one may forward a splice. So they are exported in two steps: frozen here, which
 * drops all their packets and lets their numbers stand still; and, once the other node has them,
 * forgotten here, without a word to their ends. Until then they may be resumed. Knows nothing of
 * files (control/flow_file.h). On the control thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/splice.h"
#include "userspace/splice/splice_rate.h"
#include "userspace/splice/splicer.h"

/* What became of those that were meant. */
struct splice_moving {
	uint32_t moved;   /* frozen, resumed or forgotten */
	uint32_t sockets; /* still have sockets: a handover */
	uint32_t bodies;  /* of sessions: only their bodies go past the sockets */
	uint32_t ended;   /* only linger */
	uint32_t waiting; /* were exported before */
};

/*
 * When it returns true, no processor forwards them any more, and what is recorded of them stays as
 * it is: tens of milliseconds. False: out_moving->waiting of them were exported before and neither
 * resumed nor forgotten; nothing was done.
 */
bool splicer_freeze(struct splicer *splicer, const struct splice_choice *choice,
		    struct splice_moving *out_moving);
/* What was frozen goes on here: no other node has it. */
void splicer_resume(struct splicer *splicer, const struct splice_choice *choice,
		    struct splice_moving *out_moving);
/* What was frozen is another node's now: entries and ports are free. */
void splicer_forget(struct splicer *splicer, const struct splice_choice *choice,
		    struct splice_moving *out_moving);

enum splice_import {
	SPLICE_IMPORT_DONE,
	SPLICE_IMPORT_CLOSED, /* another process takes this one's place */
	SPLICE_IMPORT_VIP,
	SPLICE_IMPORT_SOURCE,
	SPLICE_IMPORT_NO_WAY,
	SPLICE_IMPORT_PORT,
	SPLICE_IMPORT_FULL,
	SPLICE_IMPORT_HERE,
	SPLICE_IMPORTS
};
extern const char *const splice_import_texts[SPLICE_IMPORTS];

/* A splice of another node: state, next hops, port and buckets are not set. */
struct splice_arrival {
	struct splice splice;
	struct splice_rate rate;
};

/*
 * Takes a splice of another node in: numbers, ends, tunnel and times as given; next hops, entry and
 * port are this node's. *out_ready: whether both next hops are resolved; packets are dropped until
 * they are. A port of an address from which this node connects too is reserved here.
 */
enum splice_import splicer_import(struct splicer *splicer, const struct splice_arrival *arrival,
				  bool *out_ready);
