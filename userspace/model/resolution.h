/*
 * resolution.h - what DNS names stand for, as whoever asks name servers tells the model.
 *
 * The model knows no name server: it is built anew where an answer has changed.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/addr.h"

enum { NAME_ANSWERS_MAX = 64 };

enum name_kind {
	NAME_HOST, /* A and AAAA (RFC 1035, RFC 3596) */
	NAME_SRV   /* RFC 2782, and the addresses of its targets */
};

struct name_answer {
	struct addr address; /* the port is 0 unless SRV says it */
	uint16_t weight;     /* SRV; as there, so that those of one answer compare */
	uint16_t priority;   /* SRV */
};

struct resolution {
	/* How many there are now, in an order of their own that does not depend on the server's;
	 * *out_answers is borrowed until the next call. */
	uint32_t (*find)(void *context, enum name_kind kind, const char *name,
			 const struct name_answer **out_answers);
	void *context;
};
