/*
 * explain_words.h - the sentences of an explanation. Pure.
 */
#pragma once
#include "userspace/proxy/deed_ring.h"
#include "userspace/proxy/explain.h"

struct explain_text {
	char text[256];
};

/* Why a route was taken or not. taken: NULL where none was. */
struct explain_text explain_words_try(const struct route_try *tried, const struct route *taken);
/* Why an endpoint was asked. */
/* Of one whose name fits. */
struct explain_text explain_words_entry(const struct sni_route *entry, const struct explained *e);
struct explain_text explain_words_deed(const struct deed *deed);
const char *explain_words_action(const struct explained *e);
struct explain_text explain_words_split(const struct split *split);
struct explain_text explain_words_balance(const struct upstream *upstream);
struct explain_text explain_words_persistence(const struct explained *e);
struct explain_text explain_words_state(const struct explain_endpoint *one);
struct explain_text explain_words_choice(const struct explained *e);
struct explain_text explain_words_splice(const struct explained *e);
