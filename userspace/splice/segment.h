/*
 * segment.h - TCP segments of our own for a connection that has no socket any more.
 *
 * Needs CAP_NET_RAW. A segment that cannot be sent is lost, as any segment may be.
 */
#pragma once
#include "bpf/abi/splice.h"

enum segment_kind { SEGMENT_ACK, SEGMENT_RST };

/* To the end that the direction describes (0: the client), with the numbers that it expects. */
void segment_send(const struct splice *sp, int to, enum segment_kind kind);
/*
 * Resets by which that end ends wherever it is: with the number of its newest acknowledgement, and,
 * where more went to it, that behind all of it (RFC 5961, 3: only the exact number ends at once).
 */
void segment_reset(const struct splice *sp, int to);
