/*
 * leg.h - a connection past whose socket bodies go (splice/ only): its element, its plan, its end.
 *
 * Numbers are those on the wire, as in struct leg (bpf/abi/splice.h). Belongs to the worker that
 * owns the socket; when that is closed, the element lingers with the control thread, as the kernel
 * still sends and receives by it.
 */
#pragma once
#include "userspace/net/conn.h"
#include "userspace/splice/splicer_slots.h"

/*
 * The connection's element, made and entered where it has none. SPLICE_REASON_DONE, or why not:
 * NOT_QUIET as long as packets may be under way to the socket that the programs have not seen.
 */
enum splice_reason leg_of(struct splicer *splicer, struct conn *conn, const struct sk_state *st,
			  uint32_t worker, const char *name, struct splice **out_leg);
/* Between these two the programs take nothing of it for granted; no other may write it. */
void leg_plan_begin(struct leg *leg);
void leg_plan_end(struct leg *leg);
/* Raises a field that the programs raise too. */
void leg_raise(__u32 *field, __u32 to);
/* The socket sends a segment without payload, for its acknowledgement. */
void leg_poke(struct conn *conn);
