/*
 * explain_words.h - the sentences of an explanation. Pure.
 */
#pragma once
#include "userspace/proxy/explain.h"

struct explain_text {
	char text[256];
};

__attribute__((format(printf, 1, 2))) struct explain_text explain_words_say(const char *fmt, ...);
/* Why a route was taken or not. taken: NULL where none was. */
struct explain_text explain_words_try(const struct route_try *tried, const struct route *taken);
/* Of one whose name fits. */
struct explain_text explain_words_entry(const struct sni_route *entry, const struct explained *e);
/* By what an upstream chooses; see struct exchange. */
const char *explain_words_how(enum balance balance, bool keyed, bool keyless);
const char *explain_words_action(const struct explained *e);
/* by: by what the user was told apart. */
struct explain_text explain_words_split(const struct split *split, enum sticky by);
struct explain_text explain_words_balance(const struct upstream *upstream);
/* What of a request led it to an endpoint, and to which. */
struct explain_keeping {
	const struct upstream *upstream;
	bool keyed, keeps, foreign, kept; /* see struct exchange; kept: it went there */
	const struct addr *of;            /* whom the cookie names; NULL: not known */
};
struct explain_text explain_words_persistence(const struct explain_keeping *keeping);
struct explain_text explain_words_state(const struct explain_endpoint *one);
struct explain_text explain_words_choice(const struct explained *e);
struct explain_text explain_words_splice(const struct explained *e);
