/*
 * bounded.h - one body of known length goes past two sockets that live on (docs/splice.md, Bodies).
 *
 * Belongs to the worker that owns both sockets. Knows nothing of HTTP or of buffers; it is told how
 * many bytes are on their way. What our sockets still receive of the body is relayed as usual.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/net/conn.h"
#include "userspace/splice/splice_rate.h"
#include "userspace/splice/splice_reason.h"

struct bounded;
struct splicer;

enum { BOUNDED_BYTES_MAX = 1 << 30 /* of one; a longer body goes in several */ };

struct bounded_request {
	struct conn *from, *to; /* borrowed until bounded_end or bounded_abandon */
	uint32_t pending;       /* bytes that will be written to `to` before what comes next */
	uint32_t unwritten;     /* of them, at their end: the body's that were read as they are */
	uint64_t left;          /* bytes of the body that were not read yet */
	uint64_t least;         /* of them past the sockets, or it is not worth it */
	bool anywhere;          /* also where a relay is cheaper (device_cost.h) */
	uint32_t worker;
	const char *name; /* of the upstream, for shuntctl flows */
	struct splice_rate rate;
	bool by_server; /* `from` is the endpoint */
};

/*
 * Checks the preconditions and has the kernel carry the rest. SPLICE_REASON_DONE: *out_bounded.
 * Else nothing has changed.
 */
enum splice_reason bounded_begin(struct splicer *splicer, const struct bounded_request *request,
				 struct bounded **out_bounded);
/* n bytes were read from `from`: before they are written to `to`. */
void bounded_read(struct bounded *b, uint32_t n);
/* Payload bytes that `to` has acknowledged of those that the kernel carries. */
uint64_t bounded_progress(const struct bounded *b);
/* `to` has all of it. */
bool bounded_is_acked(const struct bounded *b);
/* `to` has all of it, and nothing of it will come any more. The caller has nothing pending. */
bool bounded_is_done(struct bounded *b);
/* It ends, or has ended, before a segment that has what comes behind it, too. */
bool bounded_is_crossed(const struct bounded *b);
/* Bytes of it that are not read, nor will be but for those that were in the socket. */
uint64_t bounded_left(const struct bounded *b);
/* `from` has finished in the middle of it. */
bool bounded_is_cut(const struct bounded *b);
/* What has come for `to` is more than that takes. */
bool bounded_is_full(const struct bounded *b);
/* `to` was reset: nobody reads or writes there who would be told. */
bool bounded_is_lost(const struct bounded *b);
/* Asked for every few milliseconds: who sends it hears of acknowledgements that have gone astray.
 */
void bounded_tend(struct bounded *b);
/* When it is done: both sockets may be used as before. Returns the bytes that went past them. */
uint64_t bounded_end(struct bounded *b);
/*
 * In the middle of it, where `to` is about to be closed. What it has not acknowledged, `from` sends
 * again, to its socket. `to` will be reset when it is closed: what is on its way there has no end.
 */
void bounded_abandon(struct bounded *b);
