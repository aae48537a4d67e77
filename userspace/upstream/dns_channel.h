/*
 * dns_channel.h - questions to name servers: c-ares on a loop.
 *
 * Knows names and addresses; whose they are and when they are asked again, resolver knows. What a
 * server says is bounded and judged before it is believed. Control thread.
 */
#pragma once
#include "userspace/model/model.h"
#include "userspace/net/loop.h"

struct dns_channel;

enum dns_status {
	DNS_ANSWERED,
	DNS_NO_SUCH_NAME, /* or it has no such addresses: who is responsible says so */
	DNS_FAILED,       /* nobody could say */
};

struct dns_answer {
	enum dns_status status;
	const char *why; /* a clause for the operator; a literal */
	uint32_t ttl_s;  /* the shortest of all records; DNS_ANSWERED only */
	uint32_t count;
	uint32_t left_out;                            /* beyond NAME_ANSWERS_MAX */
	uint32_t refused;                             /* nobody can or may be there */
	struct addr refused_first;                    /* of these, with refused */
	struct name_answer answers[NAME_ANSWERS_MAX]; /* in order of their bytes; each once */
};

/* dns is borrowed. NULL and *err where the library or resolv.conf do not do. */
struct dns_channel *dns_channel_create(struct loop *loop, const struct dns *dns, struct err *err);
/* Not from on_answer; none comes after. Accepts NULL. */
void dns_channel_destroy(struct dns_channel *channel);
/* name is copied. on_answer comes once, perhaps before this returns; the answer is its own. */
void dns_channel_ask(struct dns_channel *channel, enum name_kind kind, const char *name,
		     void (*on_answer)(void *context, const struct dns_answer *answer),
		     void *context);
