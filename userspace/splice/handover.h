/*
 * handover.h - one session's way from two sockets into the flow table (docs/splice.md).
 *
 * Belongs to the worker that owns both sockets: only its thread reads and writes them, which is
 * what makes the deltas constants. Knows nothing of HTTP or of buffers; it is told how many bytes
 * are on their way.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/net/conn.h"
#include "userspace/splice/splice_rate.h"
#include "userspace/splice/splice_reason.h"
#include "userspace/splice/splicer.h"

struct handover;

/* Side 0 is the client, side 1 the endpoint. */
struct handover_request {
	struct conn *ends[2]; /* borrowed until handover_finish or handover_abandon */
	uint32_t pending[2];  /* bytes read from that end and not yet written to the other */
	uint32_t worker;
	const char *name; /* of the upstream, for shuntctl flows */
	struct splice_rate rate;
	uint32_t drain_ms;         /* as in struct splice */
	uint64_t session;          /* its number in the access log */
	uint32_t idle_ms, most_ms; /* as in struct splice */
};

/* Right after establishment, before a byte is read or written; false: this one is never spliced. */
bool splicer_note(struct splicer *splicer, struct conn *conn);
/* A reserved source port towards an endpoint; 0: none. Any thread. */
uint16_t splicer_port_take(struct splicer *splicer, const struct addr *to);
void splicer_port_give(struct splicer *splicer, const struct addr *to, uint16_t port);
/* TCP_MAXSEG for the connection to the endpoint, so that each end fits the other; 0: unknown. */
uint32_t splicer_max_segment(const struct conn *client);

/*
 * Checks the preconditions and installs the flow entries. SPLICE_REASON_DONE: *out_handover, and
 * packets flow past the sockets from now on. Else nothing has changed and the relay goes on.
 */
enum splice_reason handover_begin(struct splicer *splicer, const struct handover_request *request,
				  struct handover **out_handover);
/* n bytes were read from that side and are about to be written to the other: before the write. */
void handover_residual(struct handover *h, int side, uint32_t pending);
/* That side's FIN was read: before the shutdown of the other socket. */
void handover_eof(struct handover *h, int side, uint32_t pending);
/*
 * All that our sockets took has been delivered and acknowledged; asked about every 5 ms. The
 * caller has nothing pending. now_ms is loop_now_ms.
 */
bool handover_may_finish(struct handover *h, uint64_t now_ms);
/* The kernel carries it alone: both sockets are closed without a segment, and the ends are freed.
 */
void handover_finish(struct handover *h);
/* A socket failed: the entries are withdrawn; the caller resets and closes both. */
void handover_abandon(struct handover *h);
